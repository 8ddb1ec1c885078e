import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../util/message-of.ts';
import type { ThreadData, ThreadReply, ThreadRequest } from './protocol.ts';
import { SentenceModel } from './sentence-model.ts';

/** Loads the model, then embeds the texts that are sent to it. */
const port = parentPort;
if (!port) throw new Error('This file runs in a worker thread.');
const reply = (message: ThreadReply) => port.postMessage(message);

try {
  const model = await SentenceModel.load(workerData as ThreadData);
  reply({ kind: 'ready', ...model.facts });
  port.on('message', async (texts: ThreadRequest) => {
    // One by one: in a batch, a text's vector would depend on its neighbours, because the 8-bit models quantise the
    // activations of a batch together. Besides, beyond some 20 tokens a padded batch takes longer than its texts one by
    // one.
    for (const { id, text } of texts) {
      try {
        reply({ kind: 'vector', id, vector: await model.embed(text) });
      } catch (error) {
        reply({ kind: 'failed', id, reason: messageOf(error) });
      }
    }
  });
} catch (error) {
  reply({ kind: 'unusable', reason: messageOf(error) });
}
