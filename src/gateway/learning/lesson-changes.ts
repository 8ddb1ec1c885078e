import type { Lesson } from './observations.ts';

/** One lesson and its key in `observationsOf`. */
export type KeyedLesson = readonly [key: string, lesson: Lesson];

/** What one more event of a decision makes of its lessons. */
export interface LessonChanges {
  /** To be taken back, and to be learned. */
  gone: KeyedLesson[];
  come: KeyedLesson[];
  /** Those that are there before and after, with the difference of their weights: ratings of one answer share its weight. */
  changed: KeyedLesson[];
  /** The rating that the drift monitor is to hear, if any. */
  heard: Lesson | undefined;
}

/** The difference between what a decision's events teach without the newest and with it, as `observationsOf` has them. */
export function lessonChanges(before: ReadonlyMap<string, Lesson>, after: ReadonlyMap<string, Lesson>): LessonChanges {
  const gone = [...before].filter(([key]) => !after.has(key));
  const come = [...after].filter(([key]) => !before.has(key));
  const changed = [...after].flatMap(([key, lesson]): KeyedLesson[] => {
    const weight = lesson.weight - (before.get(key)?.weight ?? lesson.weight);
    // ∞ − ∞, of what the policy refuses.
    return weight === 0 || Number.isNaN(weight) ? [] : [[key, { ...lesson, weight }]];
  });
  return { gone, come, changed, heard: notYetHeard(before, come) };
}

/**
 * The rating that the drift monitor is to hear: one of each answer, for several sources that agree are no more of a sign than
 * one, and a changed rating says little. But a volunteer's does not silence one of another kind: complaints would keep judges
 * from being heard of bad answers.
 */
function notYetHeard(before: ReadonlyMap<string, Lesson>, come: readonly KeyedLesson[]): Lesson | undefined {
  const heard = [...before.values()].filter(isWatched);
  const volunteers = heard.filter(({ isVolunteered }) => isVolunteered).length;
  if (volunteers < heard.length) return undefined;
  const lessons = come.map(([, lesson]) => lesson).filter(isWatched);
  return volunteers === 0 ? lessons[0] : lessons.find(({ isVolunteered }) => !isVolunteered);
}

/** A rating whose residual counts in the drift monitor. */
function isWatched({ kind, driftWeight }: Lesson): boolean {
  return kind === 'quality' && driftWeight !== 0;
}
