import { isJsonObject, type JsonObject } from '../domain/chat.ts';
import type { AttachedTokens } from '../domain/context.ts';

/**
 * Bytes per token: the likely figure, and the lowest. Only the upstream knows the real one, and only afterwards. A page
 * of a PDF has 1,500 to 3,000 tokens in 3 KB (plain text), 30 KB (typical) or 300 KB (an image); a second of audio has
 * about 10 tokens in 1 KB (lowest bit rates) or 8 KB (typical).
 */
const FILE = { likely: 20, least: 4 };
const SOUND = { likely: 800, least: 100 };
/** For a file that is stored at the upstream or fetched by it, so that only its id or address is known here. */
const FILE_ELSEWHERE: AttachedTokens = { likely: 5_000, most: 50_000 };
/** Providers charge between 85 and 1,600 tokens. */
const ANSWERED_IMAGE: AttachedTokens = { likely: 800, most: 1600 };
const NOTHING: AttachedTokens = { likely: 0, most: 0 };
const ADDRESS = /^\s*https?:/i;
const IMAGE = /^\s*data:image\//i;
/** Base64 characters per byte: four for every three bytes. */
const BASE64 = 4 / 3;

/** What a request attaches to its texts. */
export interface Attachments {
  /** Input tokens of files and audio, estimated from their size. */
  tokens: AttachedTokens;
  /**
   * UTF-8 bytes of attachments contained in the request itself. Includes images, whose tokens are estimated by their
   * number.
   */
  bytes: number;
}

/**
 * @param parts the content parts of a request's messages
 * @param answered images of earlier answers, which are in a separate field (OpenRouter's and LiteLLM's format) and are
 * not included in the number of the request's images
 */
export function attachments(parts: readonly JsonObject[], answered: readonly JsonObject[] = []): Attachments {
  const sum: Attachments = { tokens: { likely: 0, most: 0 }, bytes: 0 };
  for (const image of answered.map(dataOf).filter((data) => IMAGE.test(data))) {
    sum.tokens.likely += ANSWERED_IMAGE.likely;
    sum.tokens.most += ANSWERED_IMAGE.most;
    sum.bytes += Buffer.byteLength(image);
  }
  for (const part of parts) {
    const data = dataOf(part);
    const tokens = tokensOf(part, data);
    sum.tokens.likely += tokens.likely;
    sum.tokens.most += tokens.most;
    const isImage = isImagePart(part) && IMAGE.test(data);
    if (isImage || (tokens !== NOTHING && tokens !== FILE_ELSEWHERE)) sum.bytes += Buffer.byteLength(data);
  }
  return sum;
}

/** Whether the part is an image: OpenAI's type for it, or the other one that vLLM knows. */
export function isImagePart({ type }: JsonObject): boolean {
  return type === 'image_url' || type === 'input_image';
}

/** The data or address that a message part attaches; empty when it attaches nothing. */
function dataOf(part: JsonObject): string {
  if (part.type === 'input_audio') return stringIn(part.input_audio, 'data');
  if (part.type === 'file') return stringIn(part.file, 'file_data');
  if (part.type === 'input_image') return stringIn(part.image_url, 'url');
  return typeof part.type === 'string' && part.type !== 'text' ? stringIn(part[part.type], 'url') : '';
}

function tokensOf(part: JsonObject, data: string): AttachedTokens {
  if (part.type === 'input_audio') return bySize(data, SOUND);
  if (part.type === 'file') {
    // Some servers accept an address instead of the data.
    const isElsewhere = data === '' || ADDRESS.test(data) || stringIn(part.file, 'file_id') !== '';
    return isElsewhere ? FILE_ELSEWHERE : bySize(data, FILE);
  }
  // Other kinds that some servers accept (videos, PDF files sent as images). Images are counted by their number
  // instead.
  if (!isImagePart(part) && ADDRESS.test(data)) return FILE_ELSEWHERE;
  return /^\s*data:(?!image\/)/i.test(data) ? bySize(data, part.type === 'audio_url' ? SOUND : FILE) : NOTHING;
}

/** A string member of an object, or the value itself when it is a string; empty when there is none. */
function stringIn(value: unknown, name: string): string {
  const found = isJsonObject(value) ? value[name] : value;
  return typeof found === 'string' ? found : '';
}

function bySize(base64: string, bytes: { likely: number; least: number }): AttachedTokens {
  const size = base64.length / BASE64;
  return { likely: Math.ceil(size / bytes.likely), most: Math.ceil(size / bytes.least) };
}
