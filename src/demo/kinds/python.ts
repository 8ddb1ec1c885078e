import type { QueryKind, Task } from './kind.ts';
import { turns } from './kind.ts';

const NOUNS = [
  'order',
  'user',
  'invoice',
  'sensor',
  'ticket',
  'booking',
  'track',
  'parcel',
  'session',
  'recipe',
] as const;
const FIELDS = ['price', 'weight', 'score', 'duration', 'quantity', 'created_at', 'rating', 'distance'] as const;
const LIBRARIES = ['requests', 'httpx', 'pandas', 'sqlalchemy', 'pydantic', 'asyncio', 'click', 'numpy'] as const;
const ERRORS = [
  "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
  "KeyError: 'items'",
  "AttributeError: 'NoneType' object has no attribute 'get'",
  'RecursionError: maximum recursion depth exceeded',
  'ValueError: too many values to unpack (expected 2)',
  'RuntimeError: dictionary changed size during iteration',
  'UnicodeDecodeError: invalid start byte',
  'IndexError: list index out of range',
] as const;

const tasks: Task[] = [
  {
    difficulty: 0.2,
    write: (d) =>
      `Write a Python function \`${d.pick(['group', 'top', 'filter', 'merge', 'count', 'dedupe'])}_${d.pick(NOUNS)}s(items, ${d.pick(['n', 'key', 'limit', 'by'])})\` that takes a list of dicts and ${d.pick(['returns the ones with the largest', 'groups them by', 'drops duplicates with the same', 'sums up'])} \`${d.pick(FIELDS)}\`. ${d.pick(['Add type hints.', 'Add a docstring.', 'No external libraries.', 'Keep the original order.', 'Handle missing keys.'])}`,
  },
  {
    difficulty: 0.4,
    write: (d) => {
      const [noun, field] = [d.pick(NOUNS), d.pick(FIELDS)];
      return `Why does this raise "${d.pick(ERRORS)}"?\n\n\`\`\`python\ndef load_${noun}s(path):\n    result = {}\n    for line in open(path):\n        key, value = line.split("${d.pick([',', ';', ':', '|'])}")\n        result[key] += value\n    return result\n\n${noun}s = load_${noun}s("${noun}s_${d.int(1, 99)}.txt")\ntotal = sum(x["${field}"] for x in ${noun}s.get("items"))\nprint("total: " + total)\n\`\`\`\nPlease fix it and tell me what was wrong.`;
    },
  },
  {
    difficulty: 0.55,
    write: (d) => {
      const noun = d.pick(NOUNS);
      return `Refactor this so that it can be tested without the network, then write pytest tests for it:\n\n\`\`\`python\nimport ${d.pick(LIBRARIES)}, json, time\n\nclass ${noun[0].toUpperCase()}${noun.slice(1)}Client:\n    def fetch(self, id):\n        for i in range(${d.int(2, 6)}):\n            r = requests.get(f"https://api.internal/${noun}s/{id}")\n            if r.status_code == 200:\n                return json.loads(r.text)["${d.pick(FIELDS)}"]\n            time.sleep(${d.int(1, 5)} ** i)\n        raise Exception("failed")\n\`\`\``;
    },
  },
  {
    difficulty: 0.7,
    write: (d) =>
      `Implement ${d.pick(['an LRU cache', 'a token bucket rate limiter', 'a priority queue with decrease-key', 'a trie with prefix search', 'a bounded async worker pool', 'an interval tree', 'a consistent hashing ring', 'a write-ahead log'])} in Python ${d.pick(['3.11', '3.12', '3.13'])} with ${d.pick(['a capacity', 'a time limit', 'a maximum size', 'a timeout'])} of ${d.int(10, 5000)}. It must be ${d.pick(['thread-safe', 'safe under asyncio cancellation', 'usable as a context manager', 'serialisable with pickle', 'O(log n) per operation'])}. Explain the complexity of every method.`,
  },
  {
    difficulty: 0.35,
    write: (d) =>
      `I have a pandas dataframe with columns ${d
        .some(FIELDS, 3)
        .map((f) => `\`${f}\``)
        .join(
          ', ',
        )} and \`${d.pick(NOUNS)}_id\`. How do I ${d.pick(['compute the rolling mean per id over', 'find the ids with the largest jump between', 'pivot it to one column per id for', 'fill the gaps by interpolation in'])} the last ${d.int(3, 60)} ${d.pick(['rows', 'days', 'hours'])}? A short snippet is enough.`,
  },
  {
    difficulty: 0.65,
    write: (d) => {
      const noun = d.pick(NOUNS);
      return {
        history: turns(
          `write an async function that downloads all ${noun}s from a paginated API`,
          `\`\`\`python\nasync def fetch_${noun}s(client, url):\n    items = []\n    while url:\n        page = (await client.get(url)).json()\n        items += page["items"]\n        url = page.get("next")\n    return items\n\`\`\``,
        ),
        text: `ok, now make it an async generator, fetch up to ${d.int(2, 16)} ${noun} pages at the same time while keeping their order, and retry ${d.int(2, 7)} times on ${d.pick(['429', '502', '503', 'a timeout'])} with backoff`,
      };
    },
  },
  {
    difficulty: 0.5,
    write: (d) => {
      const [a, b] = d.some(LIBRARIES, 2);
      return `My script uses ${a} and ${b} and gets slower the longer it runs (after ${d.int(2, 40)} minutes it needs ${d.int(2, 12)} GB). Here is the loop:\n\n\`\`\`python\nseen = []\nwhile True:\n    batch = read_batch(${d.int(10, 900)})\n    for row in batch:\n        if row not in seen:\n            seen.append(row)\n            results = results + [parse(row)]\n    save(results)\n\`\`\`\n\nWhat is quadratic here and how would you rewrite it?`;
    },
  },
];

export const PYTHON: QueryKind = {
  id: 'python',
  share: 1.5,
  tasks,
  systems: [
    'You are a senior Python developer. Answer with code first, then a short explanation.',
    'You are a coding assistant inside an editor. Reply with a code block.',
  ],
  systemChance: 0.3,
  openers: ['', '', '', 'hey, ', 'Python question: ', 'Code review please. '],
  closers: ['', '', '', '\n\nThanks!', '\nPEP 8 please.', ' Keep it simple.'],
};
