/**
 * Loads the optional drawing library, together with a document for it.
 * @throws Error that says what to install when it is absent
 */
export async function drawingLibrary() {
  try {
    const Plot = await import('@observablehq/plot');
    const { parseHTML } = await import('linkedom');
    return { Plot, document: parseHTML('<!doctype html><html><body></body></html>').document as unknown as Document };
  } catch {
    throw new Error('Plots need two optional packages: npm install @observablehq/plot linkedom');
  }
}

/** Tableau 10: most people can tell these apart, in this order. */
const COLOURS = [
  '#4e79a7',
  '#f28e2b',
  '#e15759',
  '#76b7b2',
  '#59a14f',
  '#edc949',
  '#af7aa1',
  '#ff9da7',
  '#9c755f',
  '#bab0ab',
];

/**
 * The parts of a figure that name its coloured lines in the margin, because Plot draws its own legend outside the SVG.
 */
export function legendBeside(Plot: Awaited<ReturnType<typeof drawingLibrary>>['Plot'], names: readonly string[]) {
  const colours = names.map((_, i) => COLOURS[i % COLOURS.length]);
  return {
    marginRight: 30 + 7 * Math.max(0, ...names.map(({ length }) => length)),
    color: { domain: [...names], range: colours },
    marks: names.map((name, i) =>
      Plot.text([name], {
        frameAnchor: 'top-right',
        text: (shown: string) => shown,
        textAnchor: 'start',
        dx: 10,
        dy: 8 + 18 * i,
        fill: colours[i],
        fontWeight: 'bold',
      }),
    ),
  };
}

/** Turns a figure into a standalone SVG document, with a title for those who cannot see it. */
export function svgDocument(figure: Element, title: string, document: Document): string {
  const svg = figure.tagName === 'svg' ? figure : figure.querySelector('svg');
  svg?.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const heading = document.createElementNS('http://www.w3.org/2000/svg', 'title');
  heading.textContent = title;
  svg?.prepend(heading);
  return svg?.outerHTML ?? '';
}
