/** How a policy explores; each has its function in `bandit/exploration.ts`. */
export const EXPLORATION_KINDS = ['thompson', 'ucb', 'none'] as const;
export type ExplorationKind = (typeof EXPLORATION_KINDS)[number];

/** Whether a log's exploration is one of this version's. */
export function isExplorationKind(name: string): name is ExplorationKind {
  return EXPLORATION_KINDS.some((kind) => kind === name);
}
