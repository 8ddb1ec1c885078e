/** The bare @fastify/http-proxy: what passing a request on costs when nothing is decided. */
import proxy from '@fastify/http-proxy';
import fastify from 'fastify';

const [port, upstream] = process.argv.slice(2);
const app = fastify({ logger: false });
app.register(proxy, { upstream });
await app.listen({ port: Number(port), host: '127.0.0.1' });
