/** The topics of the demo's users. */
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
