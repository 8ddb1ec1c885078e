import { CHAT } from './kinds/chat.ts';
import { CREATIVE } from './kinds/creative.ts';
import { EXTRACTION } from './kinds/extraction.ts';
import type { QueryKind } from './kinds/kind.ts';
import { LEGAL } from './kinds/legal.ts';
import { LETTERS } from './kinds/letters.ts';
import { LOGIC } from './kinds/logic.ts';
import { MATHS } from './kinds/maths.ts';
import { PYTHON } from './kinds/python.ts';
import { SHELL } from './kinds/shell.ts';
import { SQL } from './kinds/sql.ts';
import { SUMMARY } from './kinds/summary.ts';
import { TRANSLATION } from './kinds/translation.ts';

/** The kinds of queries that the demo's users send. All texts were written for this project. */
export const QUERY_KINDS: readonly QueryKind[] = [
  MATHS,
  PYTHON,
  SQL,
  SHELL,
  TRANSLATION,
  SUMMARY,
  CREATIVE,
  LEGAL,
  LOGIC,
  EXTRACTION,
  CHAT,
  LETTERS,
];
