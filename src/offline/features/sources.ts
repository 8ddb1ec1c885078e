export interface Source {
  /** Repository @ commit. */
  repository: string;
  licence: string;
}

/** Where the public corpora come from, by file name without its extensions. */
const SOURCES: Readonly<Record<string, Source>> = {
  routerbench_rdc: { repository: 'shuhao02/RouterDC @ 0e63989c', licence: 'none stated' },
  zeroeval: { repository: 'WildEval/ZeroEval @ 8c1485ed', licence: 'Apache-2.0' },
  paretobandit_k3: { repository: 'ParetoBandit/ParetoBandit @ 72ccbefe', licence: 'Apache-2.0' },
  paretobandit_k4: { repository: 'ParetoBandit/ParetoBandit @ 72ccbefe', licence: 'Apache-2.0' },
  routellm_mmlu: { repository: 'lm-sys/RouteLLM @ 0b64fdaf', licence: 'Apache-2.0' },
  ulab_llmrouter9: { repository: 'ulab-uiuc/LLMRouter @ 4e7a7969', licence: 'MIT' },
  routerdc_7b: { repository: 'shuhao02/RouterDC @ 0e63989c', licence: 'none stated' },
};

/**
 * @param file name of a corpus file
 * @returns null for a file that is not a known public corpus
 */
export function sourceOf(file: string): Source | null {
  return SOURCES[file.replace(/\.jsonl(\.gz)?$/, '')] ?? null;
}
