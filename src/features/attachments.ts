import { isJsonObject, type JsonObject } from '../domain/chat.ts';
import type { AttachedTokens } from '../domain/context.ts';

/**
 * Bytes per token: the likely figure, and the lowest. Only the upstream knows, and only afterwards. A page of a PDF has
 * 1,500 to 3,000 tokens in 3 KB (plain text), 30 KB (typical) or 300 KB (an image); a second of sound has about 10
 * tokens in 1 KB (lowest bit rates) or 8 KB (typical).
 */
const FILE = { likely: 20, least: 4 };
const SOUND = { likely: 800, least: 100 };
/** Of a file that the upstream has or fetches, known here by its id or address alone. */
const FILE_ELSEWHERE: AttachedTokens = { likely: 5_000, most: 50_000 };
const NOTHING: AttachedTokens = { likely: 0, most: 0 };
const ADDRESS = /^\s*https?:/i;
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
  if (part.type === 'input_audio') return bySize(stringIn(part.input_audio, 'data'), SOUND);
  if (part.type === 'text') return NOTHING;
  if (part.type === 'file') {
    const data = stringIn(part.file, 'file_data');
    // Some servers take addresses there.
    const isElsewhere = data === '' || ADDRESS.test(data) || stringIn(part.file, 'file_id') !== '';
    return isElsewhere ? FILE_ELSEWHERE : bySize(data, FILE);
  }
  // Whatever else some servers take (videos, PDF files sent as images); images themselves are counted by their number.
  const url = typeof part.type === 'string' ? stringIn(part[part.type], 'url') : '';
  if (part.type !== 'image_url' && ADDRESS.test(url)) return FILE_ELSEWHERE;
  return /^\s*data:(?!image\/)/i.test(url) ? bySize(url, FILE) : NOTHING;
}

/** A member of an object, or the text that stands in its place; empty where there is none. */
function stringIn(value: unknown, name: string): string {
  const found = isJsonObject(value) ? value[name] : value;
  return typeof found === 'string' ? found : '';
}

function bySize(base64: string, bytes: { likely: number; least: number }): AttachedTokens {
  const size = base64.length / BASE64;
  return { likely: Math.ceil(size / bytes.likely), most: Math.ceil(size / bytes.least) };
}
