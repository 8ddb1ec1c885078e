import type Anthropic from '@anthropic-ai/sdk';
import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { invalidRequest } from '../../domain/errors.ts';

/** A block made from one of OpenAI's content parts. */
export type PartBlock = Anthropic.TextBlockParam | Anthropic.ImageBlockParam | Anthropic.DocumentBlockParam;

type ImageMediaType = Anthropic.Base64ImageSource['media_type'];

const IMAGE_MEDIA_TYPES: ReadonlyMap<string, ImageMediaType> = new Map([
  ['image/jpeg', 'image/jpeg'],
  ['image/jpg', 'image/jpeg'],
  ['image/png', 'image/png'],
  ['image/gif', 'image/gif'],
  ['image/webp', 'image/webp'],
]);

/** How files of these types begin, in base64. */
const BEGINNINGS: readonly (readonly [string, ImageMediaType])[] = [
  ['/9j/', 'image/jpeg'],
  ['iVBORw0KGgo', 'image/png'],
  ['R0lGODlh', 'image/gif'],
  ['R0lGODdh', 'image/gif'],
];

/**
 * Turns a message's content into blocks. Empty and blank text is left out, because Anthropic refuses it.
 * @param where names the content in error messages, e.g. `messages[2]`
 * @throws GatewayError 400 for parts that Anthropic has no block for
 */
export function toBlocks(content: unknown, where: string): PartBlock[] {
  if (content === null || content === undefined) return [];
  if (typeof content === 'string') return textBlocks(content);
  if (!Array.isArray(content)) throw invalidRequest(`${where}.content must be a string or a list of parts.`, where);
  return content.flatMap((part: unknown, index) => {
    const path = `${where}.content[${index}]`;
    if (!isJsonObject(part)) throw invalidRequest(`${path} must be an object with a type.`, path);
    return partBlocks(part, path).map((block) => withCacheControl(block, part));
  });
}

/** Carries over the `cache_control` mark that clients put on parts, messages and tools. */
export function withCacheControl<Block extends object>(block: Block, source: JsonObject): Block {
  if (!isJsonObject(source.cache_control)) return block;
  return { ...block, cache_control: source.cache_control };
}

function textBlocks(text: string): Anthropic.TextBlockParam[] {
  return /\S/.test(text) ? [{ type: 'text', text }] : [];
}

function partBlocks(part: JsonObject, path: string): PartBlock[] {
  switch (part.type) {
    case 'text':
      return textBlocks(requireString(part.text, `${path}.text`));
    case 'refusal':
      return textBlocks(requireString(part.refusal, `${path}.refusal`));
    case 'image_url':
    case 'input_image':
      return [imageBlock(part.image_url, `${path}.image_url`)];
    case 'file':
      return [fileBlock(part.file, `${path}.file`)];
    default: {
      const type = typeof part.type === 'string' ? `"${part.type}"` : 'without a type';
      throw invalidRequest(`${path}: Anthropic models accept text, images and PDF files, not a part ${type}.`, path);
    }
  }
}

function imageBlock(image: unknown, path: string): PartBlock {
  const url = requireString(isJsonObject(image) ? image.url : image, `${path}.url`);
  if (/^https?:\/\//i.test(url)) return { type: 'image', source: { type: 'url', url } };
  const { mediaType, data } = readDataUrl(url, `${path}.url`);
  // Some clients send PDF files as images.
  if (mediaType === 'application/pdf') return pdfBlock(data);
  const imageType = typeByContent(data) ?? IMAGE_MEDIA_TYPES.get(mediaType);
  if (!imageType) throw invalidRequest(`${path}: Anthropic accepts JPEG, PNG, GIF and WebP, not "${mediaType}".`, path);
  return { type: 'image', source: { type: 'base64', media_type: imageType, data } };
}

/**
 * Detects the type from the data: clients often guess it, and Anthropic refuses data that is not of the declared type.
 */
function typeByContent(base64: string): ImageMediaType | undefined {
  if (base64.startsWith('UklGR') && base64.startsWith('RUJQ', 12)) return 'image/webp';
  return BEGINNINGS.find(([beginning]) => base64.startsWith(beginning))?.[1];
}

function fileBlock(file: unknown, path: string): PartBlock {
  if (!isJsonObject(file) || typeof file.file_data !== 'string') {
    throw invalidRequest(`${path}: send the file itself as file_data; OpenAI's file ids mean nothing here.`, path);
  }
  const { mediaType, data } = readDataUrl(file.file_data, `${path}.file_data`);
  if (mediaType !== 'application/pdf') {
    throw invalidRequest(`${path}: Anthropic accepts PDF files, not "${mediaType}".`, path);
  }
  const title = typeof file.filename === 'string' && file.filename !== '' ? { title: file.filename } : {};
  return { ...pdfBlock(data), ...title };
}

function pdfBlock(data: string): Anthropic.DocumentBlockParam {
  return { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data } };
}

function readDataUrl(url: string, path: string): { mediaType: string; data: string } {
  const comma = url.indexOf(',');
  const head = /^data:([^;,]+)(?:;[^,]*)?;base64$/i.exec(url.slice(0, Math.max(0, comma)));
  if (!head) throw invalidRequest(`${path} must be an http(s) URL or a data URL with base64 data.`, path);
  return { mediaType: (head[1] as string).toLowerCase(), data: url.slice(comma + 1) };
}

function requireString(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalidRequest(`${path} must be a string.`, path);
  return value;
}
