import { drawIndex, type Random } from '../util/random.ts';
import { type Draw, drawFrom } from './kinds/draw.ts';
import type { Conversation, DemoMessage, QueryKind } from './kinds/kind.ts';
import type { KindId } from './kinds/kind-ids.ts';
import { QUERY_KINDS } from './query-kinds.ts';

/** One invented query, as a client would send it. */
export interface DemoQuery {
  /** `q0001`, `q0002`, … in the order of sending. Never part of the text. */
  id: string;
  kind: KindId;
  /** How hard it is for a language model, 0..1. Known to the simulation, never to the gateway. */
  difficulty: number;
  /** At least one; the last is the user's. */
  messages: DemoMessage[];
}

/** Spread of difficulty among queries of one task: the same wording can hide an easy or a difficult case. */
const DIFFICULTY_SD = 0.1;

/**
 * Generates queries of all kinds in random order, some kinds more frequent than others.
 * @param count how many, 0 or more; equal seeds give equal queries, and a longer list starts with the shorter one
 */
export function generateQueries(random: Random, count: number): DemoQuery[] {
  const draw = drawFrom(random);
  const shares = QUERY_KINDS.map((kind) => kind.share);
  return Array.from({ length: count }, (_, index) => {
    const kind = QUERY_KINDS[drawIndex(shares, random)];
    return writeQuery(`q${String(index + 1).padStart(4, '0')}`, kind, draw, random);
  });
}

function writeQuery(id: string, kind: QueryKind, draw: Draw, random: Random): DemoQuery {
  const task = draw.pick(kind.tasks);
  const written = task.write(draw);
  const conversation: Conversation =
    typeof written === 'string' ? { history: [], text: dress(written, kind, draw) } : written;
  const system = kind.systems && draw.chance(kind.systemChance ?? 0) ? draw.pick(kind.systems) : null;
  return {
    id,
    kind: kind.id,
    difficulty: Math.min(1, Math.max(0, task.difficulty + DIFFICULTY_SD * random.normal())),
    messages: [
      ...(system === null ? [] : [{ role: 'system' as const, content: system }]),
      ...conversation.history,
      { role: 'user', content: conversation.text },
    ],
  };
}

/** Adds phrases before and after the task, because users rarely send only the bare task. */
function dress(text: string, kind: QueryKind, draw: Draw): string {
  return `${draw.pick(kind.openers ?? [''])}${text}${draw.pick(kind.closers ?? [''])}`;
}
