/** A loopback upstream that speaks OpenAI's chat completions. Simulated: it answers at once, with a fixed text. */
import { createServer } from 'node:http';

const CHUNKS = 100;
const id = 'chatcmpl-bench';
const completion = JSON.stringify({
  id,
  object: 'chat.completion',
  created: 1,
  model: 'bench',
  choices: [{ index: 0, message: { role: 'assistant', content: 'word '.repeat(CHUNKS) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 200, completion_tokens: CHUNKS, total_tokens: 200 + CHUNKS },
});
const chunk = (delta: object, finish: string | null) =>
  `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 1, model: 'bench', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const pieces = Array.from({ length: CHUNKS }, () => chunk({ content: 'word ' }, null));
const last = `${chunk({}, 'stop')}data: [DONE]\n\n`;

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const body = Buffer.concat(parts).toString();
    if (!body.includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(completion);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const paceMs = Number(/"user":"pace-(\d+)-ms"/.exec(body)?.[1] ?? 0);
    let sent = 0;
    const send = () => {
      if (response.destroyed) return;
      response.write(pieces[sent++]);
      if (sent === CHUNKS) response.end(last);
      else if (paceMs > 0) setTimeout(send, paceMs);
      else setImmediate(send);
    };
    send();
  });
});
server.keepAliveTimeout = 120_000;
server.listen(Number(process.argv[2]), '127.0.0.1');
