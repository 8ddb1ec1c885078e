/** Prompts of about 200 tokens each, no two alike. */
export function prompts(count: number): string[] {
  const words = 'explain write compute list why the a model of river history function number price story which'.split(
    ' ',
  );
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: count }, (_, i) => {
    const text = Array.from({ length: 150 }, () => words[Math.floor(next() * words.length)]).join(' ');
    return `Query ${i}: ${text}?`;
  });
}
