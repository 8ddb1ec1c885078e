import { isJsonObject, type JsonObject } from '../domain/chat.ts';
import type { AttachedTokens } from '../domain/context.ts';

/**
 * Bytes to a token, as it is likely and at the least. Nobody tells but the upstream, afterwards: a page of a PDF has some
 * 1,500 to 3,000 tokens, and 3 KB as mere text, 30 KB as a rule, 300 KB as a picture; a second of sound has about 10, and
 * 1 KB at the lowest of bit rates, 8 KB as a rule.
 */
const FILE = { likely: 20, least: 4 };
const SOUND = { likely: 800, least: 100 };
/** Of a file that the upstream has already, known here by its id alone. */
const FILE_ELSEWHERE: AttachedTokens = { likely: 5_000, most: 100_000 };
/** Characters of base64 for 3 bytes. */
const BASE64 = 4 / 3;

/** Input tokens of the files and sounds in a request, by their size. @param parts of its messages' contents */
export function attachedTokens(parts: readonly JsonObject[]): AttachedTokens {
  const sum: AttachedTokens = { likely: 0, most: 0 };
  for (const part of parts) {
    const { likely, most } = tokensOf(part);
    sum.likely += likely;
    sum.most += most;
  }
  return sum;
}

function tokensOf(part: JsonObject): AttachedTokens {
  if (part.type === 'input_audio' && isJsonObject(part.input_audio)) return bySize(part.input_audio.data, SOUND);
  if (part.type === 'image_url') return bySize(pdfIn(part.image_url), FILE);
  if (part.type !== 'file') return bySize(null, FILE);
  const file = isJsonObject(part.file) ? part.file : {};
  return typeof file.file_data === 'string' ? bySize(file.file_data, FILE) : FILE_ELSEWHERE;
}

/** Some clients send PDF files as images. */
function pdfIn(image: unknown): unknown {
  const url = isJsonObject(image) ? image.url : null;
  return typeof url === 'string' && url.startsWith('data:application/pdf') ? url : null;
}

function bySize(base64: unknown, bytes: { likely: number; least: number }): AttachedTokens {
  const size = typeof base64 === 'string' ? base64.length / BASE64 : 0;
  return { likely: Math.ceil(size / bytes.likely), most: Math.ceil(size / bytes.least) };
}
