import type { Lesson } from './observations.ts';

/** A lesson and its key in `observationsOf`. */
export type KeyedLesson = readonly [key: string, lesson: Lesson];

/** How one more event of a decision changes the decision's lessons. */
export interface LessonChanges {
  /** Lessons to take back (`gone`) and lessons to learn (`come`). */
  gone: KeyedLesson[];
  come: KeyedLesson[];
  /**
   * Lessons there both before and after, holding the difference of their weights: the ratings of one answer share its
   * weight.
   */
  changed: KeyedLesson[];
  /** The rating to show to the drift monitor, if any. */
  driftRating: Lesson | undefined;
}

/** The difference between what a decision's events teach without the newest event and with it; see `observationsOf`. */
export function lessonChanges(before: ReadonlyMap<string, Lesson>, after: ReadonlyMap<string, Lesson>): LessonChanges {
  const gone = [...before].filter(([key]) => !after.has(key));
  const come = [...after].filter(([key]) => !before.has(key));
  const changed = [...after].flatMap(([key, lesson]): KeyedLesson[] => {
    const weight = lesson.weight - (before.get(key)?.weight ?? lesson.weight);
    // NaN results from ∞ − ∞, in lessons that the policy refuses.
    return weight === 0 || Number.isNaN(weight) ? [] : [[key, { ...lesson, weight }]];
  });
  return { gone, come, changed, driftRating: ratingForDriftMonitor(before, come) };
}

/**
 * The rating to show to the drift monitor. Only one per answer, because agreement between several sources is no
 * stronger a sign than one of them, and a changed rating says little. But a volunteer's rating does not silence one of
 * another kind: otherwise complaints would keep judges' ratings of bad answers from being heard.
 */
function ratingForDriftMonitor(before: ReadonlyMap<string, Lesson>, come: readonly KeyedLesson[]): Lesson | undefined {
  const earlier = [...before.values()].filter(isWatched);
  const volunteers = earlier.filter(({ isVolunteered }) => isVolunteered).length;
  if (volunteers < earlier.length) return undefined;
  const lessons = come.map(([, lesson]) => lesson).filter(isWatched);
  return volunteers === 0 ? lessons[0] : lessons.find(({ isVolunteered }) => !isVolunteered);
}

/** Whether the rating's residual counts in the drift monitor. */
function isWatched({ kind, driftWeight }: Lesson): boolean {
  return kind === 'quality' && driftWeight !== 0;
}
