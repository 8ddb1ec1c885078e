/** The bare @fastify/http-proxy, which shows the cost of passing a request on without any decision. */
import proxy from '@fastify/http-proxy';
import fastify from 'fastify';

const [port, upstream] = process.argv.slice(2);
const app = fastify({ logger: false });
app.register(proxy, { upstream });
await app.listen({ port: Number(port), host: '127.0.0.1' });
