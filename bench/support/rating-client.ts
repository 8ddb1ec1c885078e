import type { Random } from '../../src/util/random.ts';

/** A rating as it was sent. Its `idempotency_key` is unique, so that it can be sent again after a crash. */
export interface SentRating {
  id: string;
  score: number;
  source: string;
  idempotency_key: string;
}

/** A client that sends queries and ratings, and remembers exactly what the gateway promised. */
export class RatingClient {
  answers = 0;
  repeated = 0;
  /** Ratings that were answered 202: feedback id by idempotency key. */
  readonly acknowledged = new Map<string, { feedbackId: string; rating: SentRating }>();
  /** Feedback ids whose withdrawal was answered 200. */
  readonly withdrawn = new Set<string>();
  /** Descriptions of answers that broke a promise. */
  readonly broken: string[] = [];
  /** Ratings that were sent, but whose response was cut off. */
  #unanswered: SentRating[] = [];
  #unansweredWithdrawals: string[] = [];
  #asked = 0;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Sends again everything that a crash left unanswered. */
  async sendAgain(url: string): Promise<void> {
    const ratings = this.#unanswered.splice(0);
    this.repeated += ratings.length;
    for (const rating of ratings) await this.#rate(url, rating);
    for (const id of this.#unansweredWithdrawals.splice(0)) await this.#withdraw(url, id);
  }

  /** Sends queries and ratings, in turn, until the gateway stops responding. */
  async work(url: string): Promise<void> {
    for (;;) {
      const id = await this.#ask(url);
      if (id === null) return;
      if (this.#random.uniform() < 0.2) continue;
      const rating = this.#newRating(id);
      const sent = [this.#rate(url, rating)];
      // Clients that time out send the same rating again.
      if (this.#random.uniform() < 0.2) sent.push(this.#rate(url, rating));
      if ((await Promise.all(sent)).includes(false)) return;
      if (this.#random.uniform() < 0.15 && !(await this.#withdrawOne(url, rating))) return;
    }
  }

  #newRating(id: string): SentRating {
    const source = this.#random.uniform() < 0.7 ? 'user' : 'judge';
    const score = Math.round(100 * this.#random.uniform()) / 100;
    return { id, score, source, idempotency_key: `key-${this.#asked}-${Math.floor(this.#random.uniform() * 1e9)}` };
  }

  async #ask(url: string): Promise<string | null> {
    const question = this.#asked++;
    const body = {
      model: 'auto',
      stream: this.#random.uniform() < 0.5,
      messages: [{ role: 'user', content: `Question ${question}: ${TOPICS[question % TOPICS.length]}` }],
    };
    const response = await post(`${url}/v1/chat/completions`, body);
    if (!response) return null;
    this.answers++;
    if (response.status !== 200) this.broken.push(`a question got status ${response.status}`);
    return response.headers.get('x-mixllm-decision-id');
  }

  /** @returns false when the gateway has stopped responding */
  async #rate(url: string, rating: SentRating): Promise<boolean> {
    const response = await post(`${url}/feedback`, rating);
    if (!response) {
      this.#unanswered.push(rating);
      return false;
    }
    // A crash may have lost the decision itself, whose durability was not promised to any client.
    if (response.status === 404) return true;
    if (response.status !== 202) this.broken.push(`a rating got status ${response.status}`);
    const feedbackId = JSON.parse(response.text).feedback_id;
    const before = this.acknowledged.get(rating.idempotency_key);
    if (before && before.feedbackId !== feedbackId) this.broken.push('one rating got two ids');
    this.acknowledged.set(rating.idempotency_key, { feedbackId, rating });
    return true;
  }

  async #withdrawOne(url: string, rating: SentRating): Promise<boolean> {
    const taken = this.acknowledged.get(rating.idempotency_key);
    return taken ? this.#withdraw(url, taken.feedbackId) : true;
  }

  async #withdraw(url: string, feedbackId: string): Promise<boolean> {
    const response = await post(`${url}/feedback/${feedbackId}`, null, 'DELETE');
    if (!response) this.#unansweredWithdrawals.push(feedbackId);
    else if (response.status === 200) this.withdrawn.add(feedbackId);
    else this.broken.push(`a withdrawal got status ${response.status}`);
    return response !== null;
  }
}

export const TOPICS = [
  'what is 17 times 23?',
  'write a haiku about rain in the mountains.',
  'sort a list of numbers in Python, and say how fast that is.',
  'translate "good morning, dear colleagues" into German.',
  'which clause of a contract covers a late delivery?',
  'SELECT the five dearest orders of each customer.',
  'why is the sky blue, in one sentence a child understands?',
];

/** Null when the connection broke before the answer was complete. */
async function post(url: string, body: object | null, method = 'POST') {
  try {
    const headers: Record<string, string> = body ? { 'content-type': 'application/json' } : {};
    const response = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch {
    return null;
  }
}
