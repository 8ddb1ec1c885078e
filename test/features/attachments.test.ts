import { describe, expect, it } from 'vitest';
import { attachments } from '../../src/features/attachments.ts';

/** 30,000 bytes. */
const DATA = 'A'.repeat(40_000);

describe('tokens of attachments', () => {
  it.each([
    [{ type: 'file', file: { filename: 'a.pdf', file_data: DATA } }, 1500, 7500],
    [{ type: 'image_url', image_url: { url: `data:application/pdf;base64,${DATA}` } }, 1502, 7506],
    [{ type: 'input_audio', input_audio: { data: DATA, format: 'mp3' } }, 38, 300],
    [{ type: 'file', file: { file_id: 'file-1' } }, 5000, 50_000],
    [{ type: 'file', file: { file_data: 'https://example.com/a.pdf' } }, 5000, 50_000],
    [{ type: 'file', file: { file_data: '' } }, 5000, 50_000],
    [{ type: 'image_url', image_url: `DATA:Application/pdf;base64,${DATA}` }, 1502, 7506],
    [{ type: 'video_url', video_url: { url: `data:video/mp4;base64,${DATA}` } }, 1501, 7505],
    [{ type: 'audio_url', audio_url: { url: `data:audio/mp3;base64,${DATA}` } }, 38, 301],
    [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }, 0, 0],
    [{ type: 'input_image', image_url: 'https://example.com/a.png' }, 0, 0],
    [{ type: 'image_url', image_url: { url: `data:image/png;base64,${DATA}` } }, 0, 0],
    [{ type: 'text', text: `data:text/plain,${DATA}` }, 0, 0],
    [{ type: 'video_url', video_url: { url: 'https://example.com/a.mp4' } }, 5000, 50_000],
    [{ type: 'file', file: { file_id: 'file-1', file_data: 'x' } }, 5000, 50_000],
    [{ type: 'input_audio', input_audio: 7 }, 0, 0],
    [{ type: 'file' }, 5000, 50_000],
  ])('%#: likely %i, at most %i', (part, likely, most) => {
    expect(attachments([part]).tokens).toEqual({ likely, most });
    expect(attachments([part, { type: 'text' }, part]).tokens).toEqual({ likely: 2 * likely, most: 2 * most });
  });

  it('counts images in earlier answers, but not text in their place', () => {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${DATA}` } };
    expect(attachments([], [image, { type: 'image_url', image_url: { url: DATA } }])).toEqual({
      tokens: { likely: 800, most: 1600 },
      bytes: 40_022,
    });
  });

  it.each([
    ['a file', { type: 'file', file: { filename: 'a.pdf', file_data: DATA } }, 40_000],
    ['a sound', { type: 'input_audio', input_audio: { data: DATA } }, 40_000],
    ['an image', { type: 'image_url', image_url: { url: `data:image/png;base64,${DATA}` } }, 40_022],
    ['an image as vLLM also knows it', { type: 'input_image', image_url: `data:image/png;base64,${DATA}` }, 40_022],
    ['a text', { type: 'text', text: DATA }, 0],
    ['a text in the place of an image', { type: 'image_url', image_url: { url: DATA } }, 0],
    ['a text in the place of a video', { type: 'video_url', video_url: { url: DATA } }, 0],
    ['a text beside the id of a file', { type: 'file', file: { file_id: 'file-1', file_data: DATA } }, 0],
  ])('%s: how many bytes of it are attachments rather than text', (_, part, bytes) => {
    expect(attachments([part]).bytes).toBe(bytes);
  });
});
