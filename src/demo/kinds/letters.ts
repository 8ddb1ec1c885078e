import type { QueryKind, Task } from './kind.ts';
import { turns } from './kind.ts';
import { CITIES, COMPANIES, FIRST_NAMES, LAST_NAMES, PRODUCTS, WEEKDAYS } from './words.ts';

const tasks: Task[] = [
  {
    difficulty: 0.2,
    write: (d) =>
      `Write a ${d.pick(['polite', 'short', 'friendly', 'firm'])} email to ${d.pick(FIRST_NAMES)} ${d.pick(LAST_NAMES)} at ${d.pick(COMPANIES)}: ${d.pick(['the meeting moves to', 'we need the documents by', 'I cannot come before', 'the offer is valid until'])} ${d.pick(WEEKDAYS)}, ${d.int(8, 17)}:00. Sign as ${d.pick(FIRST_NAMES)}.`,
  },
  {
    difficulty: 0.3,
    write: (d) =>
      `Help me complain to ${d.pick(COMPANIES)}. I bought a ${d.pick(PRODUCTS)} ${d.int(2, 20)} weeks ago for ${d.money(20, 400)}, it ${d.pick(['arrived scratched', 'stopped working', 'is the wrong size', 'rattles'])}, and support has ignored ${d.int(2, 6)} emails. I want ${d.pick(['a refund', 'a replacement', 'a repair', 'half the price back'])} within ${d.int(5, 21)} days. Not rude, but clear.`,
  },
  {
    difficulty: 0.45,
    write: (d) =>
      `Cover letter for a job as ${d.pick(['warehouse manager', 'paralegal', 'physiotherapist', 'data analyst', 'pastry chef', 'bus driver', 'museum guide'])} with ${d.pick(COMPANIES)} in ${d.pick(CITIES)}. My background: ${d.int(2, 20)} years in ${d.pick(['retail', 'the army', 'nursing', 'catering', 'insurance', 'teaching'])}, ${d.pick(['a career break to care for my father', 'a recent certificate', 'good languages', 'no formal degree'])}. One page, no clichés.`,
  },
  {
    difficulty: 0.35,
    write: (d) => {
      const name = d.pick(FIRST_NAMES);
      return `Rewrite this so that it sounds ${d.pick(['professional', 'warmer', 'less passive-aggressive', 'more confident'])}:\n\nhi ${name}, as i said ALREADY ${d.int(2, 5)} times the ${d.pick(PRODUCTS)} for ${d.pick(COMPANIES)} is not my job. ${d.pick(['ask someone else', 'also the deadline was never realistic', 'i have other things to do'])}. i can look at it ${d.pick(WEEKDAYS)} maybe, but only for ${d.int(1, 4)} hours. ${d.pick(FIRST_NAMES)}`;
    },
  },
  {
    difficulty: 0.5,
    write: (d) =>
      `Reply to the message below. Say no to the discount without losing the customer, offer ${d.pick(['free delivery', 'a longer guarantee', 'a call', 'a smaller package'])} instead.\n\n"Dear team, we at ${d.pick(COMPANIES)} have been buying ${d.pick(PRODUCTS)}s from you for ${d.int(2, 12)} years. Your competitor in ${d.pick(CITIES)} quotes ${d.int(8, 30)}% less for ${d.int(20, 900)} units. Can you match that by ${d.pick(WEEKDAYS)}? Otherwise we will have to move on.\n\nRegards, ${d.pick(FIRST_NAMES)} ${d.pick(LAST_NAMES)}"`,
  },
  {
    difficulty: 0.3,
    write: (d) => {
      const [a, b] = d.some(FIRST_NAMES, 2);
      return {
        history: turns(
          `write an invitation to ${a}'s farewell party at the office`,
          `Subject: Farewell drinks for ${a}\n\nDear all,\n\nafter many good years ${a} is moving on. Please join us for a glass and a few stories.`,
        ),
        text: `Nicer please, and add: ${d.pick(WEEKDAYS)} ${d.int(15, 19)}:00, ${d.pick(['roof terrace', 'canteen', 'meeting room', 'the pub next door'])} in ${d.pick(CITIES)}, ${b} collects ${d.int(3, 15)} euro each for a ${d.pick(PRODUCTS)} as a present.`,
      };
    },
  },
];

export const LETTERS: QueryKind = {
  id: 'letters',
  share: 0.9,
  tasks,
  openers: ['', '', '', 'Hi, ', 'Please help: ', 'I am not a native speaker. '],
  closers: ['', '', '', ' Thanks in advance!', ' Under 120 words.', ' Add a subject line.'],
};
