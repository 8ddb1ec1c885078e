import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadData, ThreadReply, ThreadRequest } from './protocol.ts';
import { SentenceModel } from './sentence-model.ts';

/** Loads the model, then embeds what it is sent. */
const port = parentPort;
if (!port) throw new Error('This file runs in a worker thread.');
const reply = (message: ThreadReply) => port.postMessage(message);
const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

try {
  const model = await SentenceModel.load(workerData as ThreadData);
  reply({ kind: 'ready', ...model.facts });
  port.on('message', async (texts: ThreadRequest) => {
    // One by one: in a batch the vector of a text would depend on its neighbours, for the 8-bit models quantise a
    // batch's activations together; and beyond some 20 tokens a padded batch takes longer than its texts alone.
    for (const { id, text } of texts) {
      try {
        reply({ kind: 'vector', id, vector: await model.embed(text) });
      } catch (error) {
        reply({ kind: 'failed', id, reason: reasonOf(error) });
      }
    }
  });
} catch (error) {
  reply({ kind: 'unusable', reason: reasonOf(error) });
}
