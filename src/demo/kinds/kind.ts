import type { Draw } from './draw.ts';
import type { KindId } from './kind-ids.ts';

export interface DemoMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** An ongoing conversation: earlier turns, then the user's new message. */
export interface Conversation {
  history: DemoMessage[];
  text: string;
}

/** One type of request within a kind; everything variable is drawn anew each time. */
export interface Task {
  /** How hard it is for a language model, 0 (anyone) to 1 (few get it right). */
  difficulty: number;
  write(draw: Draw): string | Conversation;
}

/** A kind of query: what people ask about, and how they phrase it. */
export interface QueryKind {
  id: KindId;
  /** How often it is asked, relative to the other kinds. */
  share: number;
  tasks: readonly Task[];
  /** System prompts that an application might put before queries of this kind. */
  systems?: readonly string[];
  /** Share of the queries that have one of `systems`, 0..1. */
  systemChance?: number;
  /** What some users write before and after the request. Empty strings leave it plain. */
  openers?: readonly string[];
  closers?: readonly string[];
}

export function turns(...contents: string[]): DemoMessage[] {
  return contents.map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content }));
}
