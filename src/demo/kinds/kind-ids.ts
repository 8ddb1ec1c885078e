/** What the demo's users ask about. */
export const KIND_IDS = [
  'maths',
  'python',
  'sql',
  'shell',
  'translation',
  'summary',
  'creative',
  'legal',
  'logic',
  'extraction',
  'chat',
  'letters',
] as const;

export type KindId = (typeof KIND_IDS)[number];
