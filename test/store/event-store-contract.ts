import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../src/domain/events.ts';
import type { EventStore } from '../../src/store/event-store.ts';
import { completed, decided, modelEvent, randomStream, rated, withdrawn } from '../gateway/unit/support.ts';

export interface EventStoreFixture {
  /** An empty store in a new place. */
  open(): Promise<EventStore>;
  /** Opens the place again after the store is closed; null if the place does not outlive its store. */
  reopen: (() => Promise<EventStore>) | null;
  /** Removes the place. */
  dispose(): Promise<void>;
}

/** What every `EventStore` guarantees, checked on real stores. */
export function describeEventStoreContract(name: string, fixture: EventStoreFixture): void {
  describe(`EventStore contract: ${name}`, () => {
    let store: EventStore;

    beforeEach(async () => {
      store = await fixture.open();
    });
    afterEach(async () => {
      await store.close();
      await fixture.dispose();
    });

    const all = () => store.readAfter(0, 100_000);
    const withoutNumbers = (events: readonly GatewayEvent[]) =>
      events.map((event) => ({ ...event, sequence: undefined }));
    const ids = (events: readonly GatewayEvent[]) => events.map(({ decisionId }) => decisionId);

    it('is empty at first', async () => {
      expect(await all()).toEqual([]);
      expect(await store.lastSequence()).toBe(0);
      expect(await store.findDecision('d')).toEqual([]);
      expect(await store.loadSnapshot('learner')).toBeNull();
      expect(await store.append([])).toEqual([]);
    });

    it('keeps events unchanged and in order, with increasing sequence numbers', async () => {
      const stream = randomStream(60, 1);
      const returned = [...(await store.append(stream.slice(0, 50))), ...(await store.append(stream.slice(50)))];
      const read = await all();
      expect(withoutNumbers(read)).toEqual(withoutNumbers(stream));
      expect(read).toEqual(returned);
      const numbers = read.map(({ sequence }) => sequence);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      expect(await store.lastSequence()).toBe(numbers.at(-1));
    });

    it('pages through the log', async () => {
      await store.append(randomStream(30, 2));
      const whole = await all();
      for (const limit of [1, 7, whole.length, whole.length + 1]) {
        const paged = [];
        for (let page = await store.readAfter(0, limit); page.length > 0; ) {
          expect(page.length).toBeLessThanOrEqual(limit);
          paged.push(...page);
          page = await store.readAfter(page[page.length - 1].sequence, limit);
        }
        expect(paged).toEqual(whole);
      }
      expect(await store.readAfter(whole[whole.length - 1].sequence, 10)).toEqual([]);
      expect(await store.readAfter(1e9, 10)).toEqual([]);
    });

    it('appends a batch completely or not at all', async () => {
      await store.append([decided('before')]);
      const broken = { ...decided('broken'), time: Number.NaN };
      await expect(store.append([decided('first'), completed('first'), broken, decided('last')])).rejects.toThrow();
      expect(ids(await all())).toEqual(['before']);
      expect(await store.findDecision('chatcmpl-first')).toEqual([]);
      await store.append([decided('after')]);
      expect(ids(await all())).toEqual(['before', 'after']);
    });

    it('keeps events without a decision, and never returns them for an id', async () => {
      const events = [modelEvent('big', 'model_reset'), decided('d'), modelEvent('__proto__', 'model_set')];
      await store.append(events);
      expect(withoutNumbers(await all())).toEqual(withoutNumbers(events));
      for (const id of ['', 'big', 'null', 'model_reset']) expect(await store.findDecision(id)).toEqual([]);
      await store.append(events);
      expect(await all()).toHaveLength(5);
    });

    it('finds a decision by its own id, by its completion id, and by its ratings', async () => {
      const other = [decided('other'), completed('other'), rated('other', 'fb-other', 0)];
      const life = [
        decided('d'),
        completed('d'),
        rated('d', 'fb-1', 1),
        rated('d', 'fb-2', 0.5),
        withdrawn('d', 'fb-1'),
      ];
      await store.append([life[0], other[0], life[1], other[1], life[2]]);
      await store.append([other[2], life[3], life[4]]);
      for (const id of ['d', 'chatcmpl-d', 'fb-1', 'fb-2']) {
        expect(withoutNumbers(await store.findDecision(id)), id).toEqual(withoutNumbers(life));
      }
      for (const id of ['', 'D', 'd ', 'chatcmpl-', '%', "' OR 1=1 --"])
        expect(await store.findDecision(id)).toEqual([]);
    });

    it('erases the comment of a withdrawn rating, and nothing else', async () => {
      const commented = (id: string, feedbackId: string) => ({
        ...rated(id, feedbackId, 0.1 + 0.2),
        comment: 'my "name" \0 \ud800',
        idempotencyKey: `${feedbackId} é\ud800`,
      });
      const [first, second, other] = [commented('d', 'fb-1'), commented('d', 'fb-2'), commented('other', 'fb-3')];
      await store.append([decided('d'), first, second, decided('other'), other]);
      const before = await all();
      const [withdrawal] = await store.append([withdrawn('d', 'fb-1')]);
      const after = before.map((event) =>
        'feedbackId' in event && event.feedbackId === 'fb-1' ? { ...event, comment: null } : event,
      );
      expect(await all()).toEqual([...after, withdrawal]);
      // Repeated, and of a rating of another decision.
      await store.append([withdrawn('d', 'fb-1'), withdrawn('d', 'fb-3'), { ...first, feedbackId: 'fb-4' }]);
      expect((await all()).slice(0, 5)).toEqual(after);
    });

    it('resolves a shared completion id to the newest decision, unless it is also a decision id', async () => {
      for (const id of ['d1', 'd2'])
        await store.append([decided(id), completed(id, { completionId: 'always-the-same' })]);
      expect(ids(await store.findDecision('always-the-same'))).toEqual(['d2', 'd2']);
      await store.append([
        decided('d3'),
        completed('d3', { completionId: 'd1' }),
        completed('d4', { completionId: null }),
      ]);
      expect(ids(await store.findDecision('d1'))).toEqual(['d1', 'd1']);
    });

    it('resolves a completion id shared between keys to the newest decision of the asking key', async () => {
      const answered = (id: string, key: string | null) => [
        { ...decided(id), key },
        completed(id, { completionId: 'shared' }),
      ];
      for (const [id, key] of [
        ['a1', 'a'],
        ['a2', 'a'],
        ['none', null],
        ['b1', 'b'],
        ['b2', 'b'],
      ] as const) {
        await store.append(answered(id, key));
      }
      const found = async (key: string | null) => (await store.findDecision('shared', key))[0]?.decisionId;
      expect([await found('a'), await found('b'), await found(null), await found('c')]).toEqual([
        'a2',
        'b2',
        'b2',
        'b2',
      ]);
      await store.append(answered('a3', 'a'));
      expect([await found('a'), await found('b'), await found(null)]).toEqual(['a3', 'b2', 'a3']);
      await store.prune({ time: Number.MAX_SAFE_INTEGER, sequence: 10 }, 100);
      expect([await found('a'), await found('b')]).toEqual(['a3', 'a3']);
    });

    it('writes a decision and its end once, however often a commit is retried', async () => {
      const events = [decided('twice'), completed('twice')];
      const first = await store.append(events);
      const again = await store.append(events);
      expect(again.map(({ sequence }) => sequence)).toEqual(first.map(({ sequence }) => sequence));
      expect(await all()).toHaveLength(2);
    });

    it('accepts an idempotency key once per decision, and returns the earlier rating', async () => {
      const rating = (decisionId: string, feedbackId: string, idempotencyKey: string | null, score = 1) => ({
        ...rated(decisionId, feedbackId, score),
        idempotencyKey,
      });
      const [first] = await store.append([rating('d', 'fb-1', 'key')]);
      expect(await store.append([rating('d', 'fb-2', 'key', 0)])).toEqual([first]);
      expect(await store.findDecision('fb-2')).toEqual([]);
      const batch = await store.append([
        rating('e', 'fb-3', 'key'),
        rating('d', 'fb-4', 'other'),
        rating('e', 'fb-5', 'key'),
        rating('d', 'fb-6', null),
        rating('d', 'fb-7', null),
      ]);
      expect(batch.map((event) => 'feedbackId' in event && event.feedbackId)).toEqual([
        'fb-3',
        'fb-4',
        'fb-3',
        'fb-6',
        'fb-7',
      ]);
      expect(await all()).toHaveLength(5);
    });

    it('keeps contexts bit for bit, even those that are views of a larger buffer', async () => {
      const odd = Float32Array.of(1, -0, 1e-45, 3.4e38, Math.PI, Number.NaN, Number.NEGATIVE_INFINITY);
      const larger = Float32Array.from({ length: 40 }, (_, i) => Math.sqrt(i));
      const bytes = new Uint8Array(larger.buffer);
      for (const values of [odd, larger.subarray(3, 20), new Float32Array(bytes.buffer, 8, 5), new Float32Array(0)]) {
        const event = decided(`d${values.length}`);
        event.context.values = values;
        const [returned] = await store.append([event]);
        const [found] = await store.findDecision(event.decisionId);
        for (const each of [returned, found]) {
          if (each.type !== 'decided') return expect.unreachable();
          const { values: kept } = each.context;
          expect(kept).toBeInstanceOf(Float32Array);
          expect(Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength)).toEqual(
            Buffer.from(values.buffer, values.byteOffset, values.byteLength),
          );
        }
      }
    });

    it('keeps any text, including unpaired surrogates and NULs', async () => {
      const text = fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('\ud800', 'x\udfff', '\0', 'a\0b', '😀', '\u2028', "'; --"),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 30 }), async (texts) => {
          const events = texts.map(([comment, source]) => ({ ...rated('d', 'fb', 0.5, source), comment }));
          const before = await store.lastSequence();
          const stored = await store.append(events);
          expect(withoutNumbers(stored)).toEqual(withoutNumbers(events));
          expect(await store.readAfter(before, 100)).toEqual(stored);
        }),
        { numRuns: 15 },
      );
      for (const id of ['\ud83d', 'chatcmpl-é😀', 'a\0b', 'a']) {
        await store.append([decided(`d-${id.length}`), completed(`of ${id}`, { completionId: id })]);
        expect(ids(await store.findDecision(id)), JSON.stringify(id)).toEqual([`of ${id}`]);
      }
    });

    describe('prune', () => {
      const at = <E extends GatewayEvent>(time: number, event: E): E => ({ ...event, time });
      const everything = { time: 100, sequence: Number.MAX_SAFE_INTEGER };

      it('deletes old decisions with all their events, oldest first, so that no id finds them', async () => {
        await store.append([
          at(1, decided('a')),
          at(2, decided('b')),
          at(3, completed('a')),
          at(4, rated('a', 'fb-a', 1)),
          at(5, completed('b')),
          at(200, decided('young')),
        ]);
        expect(await store.prune(everything, 1)).toBe(3);
        expect(ids(await all())).toEqual(['b', 'b', 'young']);
        for (const id of ['a', 'chatcmpl-a', 'fb-a']) expect(await store.findDecision(id), id).toEqual([]);
        expect(await store.prune(everything, 10)).toBe(2);
        expect(await store.prune(everything, 10)).toBe(0);
        expect(ids(await store.findDecision('young'))).toEqual(['young']);
      });

      it('keeps decisions that are partly young or not yet covered, model events, and the newest event', async () => {
        const [reset, , , , rating] = await store.append([
          at(1, modelEvent('big', 'model_reset')),
          at(1, decided('rated late')),
          at(1, decided('over')),
          at(2, completed('over')),
          at(100, rated('rated late', 'fb', 1)),
          at(1, decided('last')),
        ]);
        expect(await store.prune({ time: 100, sequence: reset.sequence + 2 }, 10)).toBe(0);
        expect(await store.prune({ time: 100, sequence: reset.sequence + 3 }, 10)).toBe(2);
        expect(ids(await all())).toEqual([null, 'rated late', 'rated late', 'last']);
        expect(await store.prune({ time: 101, sequence: rating.sequence }, 10)).toBe(2);
        const newest = await store.lastSequence();
        expect(await store.prune({ time: 101, sequence: newest }, 10)).toBe(0);
        expect(ids(await all())).toEqual([null, 'last']);
        const [next] = await store.append([decided('next')]);
        expect(next.sequence).toBeGreaterThan(newest);
      });

      it('finds old decisions behind one with a wrong clock, and keeps ids that now refer to others', async () => {
        const shared = { completionId: 'always-the-same' };
        await store.append([at(1e12, decided('future')), at(1, decided('old')), at(1, completed('old', shared))]);
        await store.append([at(200, decided('new')), at(200, completed('new', shared))]);
        expect(await store.prune(everything, 10)).toBe(2);
        expect(ids(await all())).toEqual(['future', 'new', 'new']);
        expect(ids(await store.findDecision('always-the-same'))).toEqual(['new', 'new']);
      });
    });

    it('keeps the newest snapshot of each name, for the most recent names only', async () => {
      const every = Uint8Array.from({ length: 256 }, (_, i) => i);
      await store.saveSnapshot('learner', { sequence: 3, body: every.slice(0, 3) });
      await store.saveSnapshot('learner', { sequence: 7, body: every.slice() });
      await store.saveSnapshot('other', { sequence: 1, body: new Uint8Array(0) });
      expect(await store.loadSnapshot('learner')).toEqual({ sequence: 7, body: every });
      expect(await store.loadSnapshot('other')).toEqual({ sequence: 1, body: new Uint8Array(0) });
      // A view of a larger buffer, of which the rest must not be stored or changed.
      for (const name of ['third', 'fourth', 'learner', 'fifth']) {
        await store.saveSnapshot(name, { sequence: 2, body: Uint8Array.of(2) });
      }
      const kept = await Promise.all(['other', 'third', 'fourth', 'fifth'].map((name) => store.loadSnapshot(name)));
      expect(kept.map((snapshot) => snapshot?.sequence)).toEqual([undefined, 2, 2, 2]);
      await store.saveSnapshot('learner', { sequence: 8, body: every.subarray(10, 20) });
      expect(every).toHaveLength(256);
      expect((await store.loadSnapshot('learner'))?.body).toEqual(every.slice(10, 20));
      const large = Buffer.alloc(3_000_000, 'large');
      await store.saveSnapshot('learner', { sequence: 9, body: Uint8Array.from(large) });
      expect(large.equals((await store.loadSnapshot('learner'))?.body ?? new Uint8Array(0))).toBe(true);
    });

    it('handles many simultaneous appends without mixing them up', async () => {
      const batches = Array.from({ length: 100 }, (_, i) => [
        decided(`d${i}`),
        completed(`d${i}`),
        rated(`d${i}`, `fb${i}`, 1),
      ]);
      const [stored] = await Promise.all([
        Promise.all(batches.map((batch) => store.append(batch))),
        Promise.all(batches.map((_, i) => store.findDecision(`d${i}`))),
      ]);
      stored.forEach((batch, i) => {
        expect(ids(batch)).toEqual([`d${i}`, `d${i}`, `d${i}`]);
        expect(batch.map(({ sequence }) => sequence - batch[0].sequence)).toEqual([0, 1, 2]);
      });
      expect(await all()).toEqual(stored.flat().sort((a, b) => a.sequence - b.sequence));
    });

    it('finishes pending work before it closes, and may be closed twice', async () => {
      const appending = store.append(randomStream(20, 3));
      const closing = store.close();
      await expect(appending).resolves.not.toHaveLength(0);
      await closing;
      await store.close();
    });

    it.skipIf(!fixture.reopen)('still has everything after being closed and reopened', async () => {
      await store.append(randomStream(20, 4));
      await store.append([{ ...rated('d', 'fb-1', 1), idempotencyKey: 'key' }]);
      await store.saveSnapshot('learner', { sequence: 5, body: Uint8Array.of(1, 2) });
      const before = await all();
      await store.close();
      store = (await fixture.reopen?.()) as EventStore;
      expect(await all()).toEqual(before);
      expect(await store.loadSnapshot('learner')).toEqual({ sequence: 5, body: Uint8Array.of(1, 2) });
      expect(ids(await store.findDecision('fb-1'))).toEqual(['d']);
      expect(await store.append([{ ...rated('d', 'fb-2', 0), idempotencyKey: 'key' }])).toEqual([before.at(-1)]);
      const [next] = await store.append([decided('next')]);
      expect(next.sequence).toBeGreaterThan(before[before.length - 1].sequence);
    });
  });
}
