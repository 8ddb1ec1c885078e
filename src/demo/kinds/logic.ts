import type { QueryKind, Task } from './kind.ts';
import { CITIES, FIRST_NAMES, WEEKDAYS } from './words.ts';

const PETS = ['cat', 'parrot', 'snail', 'goat', 'rabbit', 'gecko'] as const;
const DRINKS = ['tea', 'coffee', 'cider', 'milk', 'lemonade', 'cocoa'] as const;
const COLOURS = ['red', 'green', 'white', 'yellow', 'blue', 'black'] as const;

const tasks: Task[] = [
  {
    difficulty: 0.5,
    write: (d) => {
      const p = d.some(FIRST_NAMES, 5);
      return `${p.slice(0, 4).join(', ')} and ${p[4]} sit in a row of five chairs. ${p[0]} is not at either end. ${p[1]} sits ${d.pick(['directly left of', 'directly right of', 'next to'])} ${p[2]}. ${p[3]} is ${d.pick(['further left than', 'further right than', 'two seats away from'])} ${p[0]}. ${p[4]} has ${d.pick(['the first seat', 'the last seat', 'the middle seat', 'only one neighbour'])}. Who sits where? If there is more than one solution, list all of them.`;
    },
  },
  {
    difficulty: 0.6,
    write: (d) => {
      const [a, b, c] = d.some(FIRST_NAMES, 3);
      return `On an island knights always tell the truth and knaves always lie. ${a} says: "${b} and I are ${d.pick(['of the same kind', 'different', 'both knaves'])}." ${b} says: "${d.pick(['Exactly one of us three is a knight', `${c} is a knave`, `${a} would say that ${c} is a knight`])}." ${c} says: "${d.pick([`${a} is a liar`, 'At least two of us are knaves', `${b} tells the truth`])}." What is each of them?`;
    },
  },
  {
    difficulty: 0.8,
    write: (d) => {
      const [p, pets, drinks, colours] = [
        d.some(FIRST_NAMES, 4),
        d.some(PETS, 4),
        d.some(DRINKS, 4),
        d.some(COLOURS, 4),
      ];
      return `Four houses stand side by side, each with a colour, an owner, a pet and a drink.\n\n1. ${p[0]} lives in the ${colours[0]} house.\n2. The owner of the ${pets[1]} drinks ${drinks[1]}.\n3. The ${colours[2]} house is immediately to the ${d.pick(['left', 'right'])} of the ${colours[3]} one.\n4. ${p[1]} keeps the ${pets[2]}.\n5. ${drinks[2]} is drunk in house number ${d.int(1, 4)}.\n6. ${p[2]} lives next to the person with the ${pets[0]}.\n7. ${p[3]} does not drink ${drinks[0]} and lives in house ${d.int(1, 4)}.\n8. Somebody in the ${colours[1]} house drinks ${drinks[3]}.\n\nWho owns the ${pets[3]}? Deduce it step by step, and say so if the clues contradict each other.`;
    },
  },
  {
    difficulty: 0.35,
    write: (d) =>
      `What comes next in the sequence ${[1, 2, 3, 4, 5].reduce<number[]>((seq) => [...seq, seq[seq.length - 1] * d.int(1, 2) + d.int(1, 9)], [d.int(1, 12)]).join(', ')}, ... ? There may be two rules that take turns. Explain the rule.`,
  },
  {
    difficulty: 0.65,
    write: (d) =>
      `You have ${d.int(7, 13)} coins, one of which is ${d.pick(['heavier', 'lighter', 'a different weight, you do not know which way'])}, and a balance scale that breaks after ${d.int(2, 4)} weighings. ${d.pick(['Describe a strategy that always works or show that none exists.', 'How do you find the coin?', 'What is the largest number of coins for which it can still be done?'])}`,
  },
  {
    difficulty: 0.7,
    write: (d) => {
      const p = d.some(FIRST_NAMES, 4);
      return `${p.join(', ')} each visit a different city (${d.some(CITIES, 4).join(', ')}) on a different day from ${WEEKDAYS[0]} to ${WEEKDAYS[3]}. ${p[0]} travels before ${p[1]} but not on ${d.pick(WEEKDAYS.slice(0, 4))}. Whoever goes on ${d.pick(WEEKDAYS.slice(0, 4))} does not go to the first city named. ${p[2]} travels ${d.pick(['the day after', 'the day before', 'two days after'])} ${p[3]}. The person in the last city named leaves ${d.pick(['first', 'last', `on ${d.pick(WEEKDAYS.slice(0, 4))}`])}. Which assignments are possible?`;
    },
  },
  {
    difficulty: 0.75,
    write: (d) => {
      const p = d.some(FIRST_NAMES, 4);
      return `${p.join(', ')} have to cross a bridge at night with one torch. They need ${d.int(1, 3)}, ${d.int(3, 6)}, ${d.int(6, 9)} and ${d.int(9, 15)} minutes, at most two can cross at once, and the torch must be carried back each time. ${p[0]} refuses to walk with ${p[3]}. What is the shortest total time and why can it not be beaten?`;
    },
  },
];

export const LOGIC: QueryKind = {
  id: 'logic',
  share: 0.8,
  tasks,
  openers: ['', '', '', 'Riddle: ', 'Logic puzzle for you.\n\n', 'Can you crack this? '],
  closers: ['', '', '', ' Think carefully.', ' No guessing.'],
};
