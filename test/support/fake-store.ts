import type { GatewayEvent, StoredEvent } from '../../src/domain/events.ts';
import { aliasOf, uniqueKeyOf } from '../../src/store/event-row.ts';
import type { EventStore, PruneBefore, Snapshot } from '../../src/store/event-store.ts';

/** An event store in memory that can be made to fail or to wait. */
export class FakeStore implements EventStore {
  readonly events: StoredEvent[] = [];
  readonly snapshots = new Map<string, Snapshot>();
  /** The events of every attempted commit, failed ones included. */
  readonly commits: GatewayEvent[][] = [];
  /** The starting points of all reads. */
  readonly reads: number[] = [];
  lookUps = 0;
  readonly #byKey = new Map<string | null, StoredEvent>();
  /** True, or the error message, while every call must fail. */
  failing: boolean | string = false;
  /** While set, appends wait for this promise. */
  gate: Promise<void> | null = null;

  async append(events: readonly GatewayEvent[]): Promise<StoredEvent[]> {
    this.commits.push([...events]);
    await this.gate;
    this.#check();
    // Throws for what no store could write, before anything is stored.
    for (const event of events) if (!Number.isFinite(event.time)) throw new Error('an event without a time');
    return events.map((event) => this.#known(event) ?? this.#added(event));
  }

  #known(event: GatewayEvent): StoredEvent | undefined {
    const known = this.#byKey.get(uniqueKeyOf(event));
    // Tests replace this log by another one.
    return known && this.events.some((stored) => stored === known) ? known : undefined;
  }

  #added(event: GatewayEvent): StoredEvent {
    const stored = { ...event, sequence: (this.events.at(-1)?.sequence ?? 0) + 1 };
    if (event.type === 'withdrawn') this.#eraseComment(event.feedbackId);
    this.events.push(stored);
    const key = uniqueKeyOf(event);
    if (key !== null) this.#byKey.set(key, stored);
    return stored;
  }

  #eraseComment(feedbackId: string): void {
    for (const event of this.events) {
      if (event.type === 'rated' && event.feedbackId === feedbackId) event.comment = null;
    }
  }

  async readAfter(sequence: number, limit: number): Promise<StoredEvent[]> {
    this.#check();
    this.reads.push(sequence);
    return this.events.filter((event) => event.sequence > sequence).slice(0, limit);
  }

  async findDecision(id: string, key: string | null = null): Promise<StoredEvent[]> {
    this.#check();
    this.lookUps++;
    const keyOf = (decision: string | null) =>
      this.events.flatMap((e) => (e.type === 'decided' && e.decisionId === decision ? [e.key] : []))[0] ?? null;
    const aliased = this.events.filter((event) => aliasOf(event) === id);
    const named =
      this.events.find(({ decisionId }) => decisionId === id) ??
      aliased.findLast(({ decisionId }) => key !== null && keyOf(decisionId) === key) ??
      aliased.at(-1);
    return named ? this.events.filter(({ decisionId }) => decisionId === named.decisionId) : [];
  }

  async lastSequence(): Promise<number> {
    this.#check();
    return this.events.at(-1)?.sequence ?? 0;
  }

  async prune({ time, sequence }: PruneBefore, limit: number): Promise<number> {
    this.#check();
    const young = new Set(
      this.events
        .filter((event, i) => event.time >= time || event.sequence > sequence || i === this.events.length - 1)
        .map(({ decisionId }) => decisionId),
    );
    const old = new Set(this.events.map(({ decisionId }) => decisionId).filter((id) => id !== null && !young.has(id)));
    const pruned = [...old].slice(0, limit);
    const before = this.events.length;
    this.events.splice(0, before, ...this.events.filter(({ decisionId }) => !pruned.includes(decisionId)));
    return before - this.events.length;
  }

  async saveSnapshot(name: string, snapshot: Snapshot): Promise<void> {
    this.#check();
    this.snapshots.delete(name);
    this.snapshots.set(name, snapshot);
    for (const oldest of [...this.snapshots.keys()].slice(0, -4)) this.snapshots.delete(oldest);
  }

  async loadSnapshot(name: string): Promise<Snapshot | null> {
    this.#check();
    return this.snapshots.get(name) ?? null;
  }

  async close(): Promise<void> {}

  #check(): void {
    if (this.failing) throw new Error(this.failing === true ? 'the disk is full' : this.failing);
  }
}
