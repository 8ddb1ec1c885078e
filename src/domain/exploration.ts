/** How a policy explores; each kind has its function in `bandit/exploration.ts`. */
export const EXPLORATION_KINDS = ['thompson', 'ucb', 'none'] as const;
export type ExplorationKind = (typeof EXPLORATION_KINDS)[number];

/** Whether this version knows the exploration kind found in a log. */
export function isExplorationKind(name: string): name is ExplorationKind {
  return EXPLORATION_KINDS.some((kind) => kind === name);
}
