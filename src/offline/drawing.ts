/** The optional drawing library, and a document for it. @throws Error that says what to install where it is absent */
export async function drawingLibrary() {
  try {
    const Plot = await import('@observablehq/plot');
    const { parseHTML } = await import('linkedom');
    return { Plot, document: parseHTML('<!doctype html><html><body></body></html>').document as unknown as Document };
  } catch {
    throw new Error('Plots need two optional packages: npm install @observablehq/plot linkedom');
  }
}

/** A drawn figure as an SVG document of its own, with its title for those who cannot see it. */
export function svgDocument(figure: Element, title: string, document: Document): string {
  const svg = figure.tagName === 'svg' ? figure : figure.querySelector('svg');
  svg?.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const heading = document.createElementNS('http://www.w3.org/2000/svg', 'title');
  heading.textContent = title;
  svg?.prepend(heading);
  return svg?.outerHTML ?? '';
}
