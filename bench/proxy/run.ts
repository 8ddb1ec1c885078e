/**
 * `npm run bench:proxy -- [--parts throughput,streams,ratings] [--rounds 5] [--seconds 5] [--connections 1,16,64]
 * [--streams 1,32,256] [--only ours,portkey,bare]`
 *
 * Compares the gateway (10 arms, `model: "auto"`, lexical embedding and SQLite) with Portkey's gateway and a bare
 * @fastify/http-proxy, all in front of one loopback upstream (simulated: it answers at once, with a fixed text).
 * Interleaved rounds; medians and ratios of one run.
 */
import { options } from '../support/options.ts';
import { ratings } from './ratings.ts';
import { streams } from './streams.ts';
import { prepare, type Subject, Subjects } from './subjects.ts';
import { throughput } from './throughput.ts';

const values = options(
  'bench:proxy',
  "Compares the gateway with Portkey's and a bare @fastify/http-proxy in one run.",
  {
    parts: 'throughput,streams,ratings',
    rounds: '5',
    seconds: '5',
    connections: '1,16,64',
    streams: '1,32,256',
    only: 'ours,portkey,bare',
  },
);
const names = values.only.split(',') as Subject[];
const parts = values.parts.split(',');
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
const numbers = (list: string) => list.split(',').map(Number);

prepare();
const subjects = new Subjects();
try {
  await subjects.start(names);
  const connections = numbers(values.connections);
  if (parts.includes('throughput')) await throughput(subjects, { names, connections, rounds, seconds });
  if (parts.includes('streams')) await streams({ names, levels: numbers(values.streams), rounds });
  if (parts.includes('ratings') && names.includes('ours')) await ratings(subjects, { rounds, seconds });
} finally {
  subjects.stop();
}
