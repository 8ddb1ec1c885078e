import { connect } from 'node:net';

/** Requests are abandoned as incomplete once none of them has been sent anything for this time. */
const PATIENCE_MS = 1500;

/**
 * Sends exactly these bytes and reads the server's answer until it closes the connection, in latin1, so that every
 * byte is visible. Empty if the server was still waiting for the rest.
 */
export async function sendBytes(url: string, bytes: string | Buffer): Promise<string> {
  return (await sendAllBytes(url, [bytes]))[0];
}

/** As `sendBytes`, all at once. A slow machine may take longer to answer them all than a single one is waited for. */
export function sendAllBytes(url: string, all: readonly (string | Buffer)[]): Promise<string[]> {
  const { port, hostname } = new URL(url);
  let lastSign = performance.now();
  const sign = () => {
    lastSign = performance.now();
  };
  const sendOne = (bytes: string | Buffer) => (resolve: (answer: string) => void) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      sign();
    });
    // A reset after the answer is not a failure: the server need not read what it rejected.
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.on('connect', sign);
    // Not ended at once, because Node treats a half-closed connection as a client that has left.
    const giveUp = () => {
      const left = lastSign + PATIENCE_MS - performance.now();
      if (left > 0) socket.setTimeout(Math.ceil(left), giveUp);
      else socket.destroy();
    };
    socket.setTimeout(PATIENCE_MS, giveUp);
    socket.write(bytes);
  };
  return Promise.all(all.map((bytes) => new Promise(sendOne(bytes))));
}

/** The first answer in the bytes of a connection. */
export function parseAnswer(text: string): { status: number; headers: string; body: string } {
  const end = text.indexOf('\r\n\r\n');
  const headers = text.slice(0, end);
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(headers)?.[1] ?? Number.NaN);
  const raw = text.slice(end + 4);
  const body = /^transfer-encoding: chunked$/im.test(headers) ? dechunked(raw) : raw;
  return { status, headers, body: Buffer.from(body, 'latin1').toString('utf8') };
}

function dechunked(text: string): string {
  let rest = text;
  let body = '';
  for (;;) {
    const line = rest.indexOf('\r\n');
    const length = Number.parseInt(rest.slice(0, line), 16);
    if (!(length > 0)) return body;
    body += rest.slice(line + 2, line + 2 + length);
    rest = rest.slice(line + 2 + length + 2);
  }
}
