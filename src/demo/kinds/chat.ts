import type { QueryKind, Task } from './kind.ts';
import { turns } from './kind.ts';
import { CITIES, FIRST_NAMES, MONTHS, WEEKDAYS } from './words.ts';

const ANIMALS = [
  'octopuses',
  'hedgehogs',
  'pigeons',
  'otters',
  'bats',
  'camels',
  'crows',
  'seahorses',
  'moles',
  'geese',
  'wolves',
  'eels',
] as const;
const FOODS = [
  'risotto',
  'sourdough',
  'ramen',
  'paella',
  'pierogi',
  'shakshuka',
  'dal',
  'goulash',
  'falafel',
  'pancakes',
  'kimchi',
  'tiramisu',
] as const;
const COUNTRIES = [
  'Bolivia',
  'Estonia',
  'Laos',
  'Namibia',
  'Slovenia',
  'Uruguay',
  'Georgia',
  'Oman',
  'Iceland',
  'Senegal',
  'Fiji',
  'Latvia',
  'Nepal',
  'Malta',
] as const;
const TOPICS = [
  'the printing press',
  'zippers',
  'umbrellas',
  'chess',
  'the bicycle',
  'tulips',
  'the metric system',
  'lighthouses',
  'coffee',
  'glass',
  'leap years',
  'postage stamps',
  'the piano',
  'denim',
] as const;

const tasks: Task[] = [
  {
    difficulty: 0.05,
    write: (d) =>
      `${d.pick(["What's", 'what is', 'Tell me'])} the ${d.pick(['capital', 'currency', 'population', 'highest mountain', 'official language', 'national dish', 'time zone'])} of ${d.pick(COUNTRIES)}${d.pick(['?', '', ' again?', ' please'])}`,
  },
  {
    difficulty: 0.1,
    write: (d) =>
      `${d.pick(['Why do', 'How do', 'Is it true that', 'How long do'])} ${d.pick(ANIMALS)} ${d.pick(['sleep', 'live', 'find their way', 'talk to each other', 'survive the winter', 'recognise people'])}?`,
  },
  {
    difficulty: 0.15,
    write: (d) =>
      `who invented ${d.pick(TOPICS)} and when? ${d.pick(['my kid wants to know', 'just curious', 'for a pub quiz', 'short answer', 'we have a bet'])}`,
  },
  {
    difficulty: 0.1,
    write: (d) =>
      `${d.pick(['Hi!', 'Hello :)', 'Hey', 'Good morning,', 'Good evening,'])} ${d.pick([`I'm ${d.pick(FIRST_NAMES)}.`, `it is raining in ${d.pick(CITIES)} again.`, `what a ${d.pick(WEEKDAYS)}.`, `greetings from ${d.pick(CITIES)}!`])} ${d.pick(['How are you?', 'Can you cheer me up a bit?', 'Tell me something nice.', 'Do you ever get bored?', 'Got a fun fact for me?', `What should I do on a free ${d.pick(WEEKDAYS)}?`])}`,
  },
  {
    difficulty: 0.2,
    write: (d) =>
      `What can I cook for ${d.int(2, 12)} people with ${d.pick(FOODS)} leftovers${d.pick(['', ' and no oven', ' and two picky kids', ' in under 30 minutes'])}? What goes well with ${d.pick(FOODS)}?`,
  },
  {
    difficulty: 0.2,
    write: (d) =>
      `Is ${d.pick(MONTHS)} a good time to visit ${d.pick(CITIES)}? We have ${d.int(2, 9)} days and like ${d.some(['museums', 'hiking', 'food', 'beaches', 'old trains', 'live music', 'markets'], 2).join(' and ')}.`,
  },
  {
    difficulty: 0.15,
    write: (d) => {
      const [a, b] = d.some(ANIMALS, 2);
      return {
        history: turns(
          `who would win a race, ${a} or ${b}?`,
          `Depends on the ground! Over a short distance I'd put my money on ${d.pick([a, b])}.`,
        ),
        text: `haha ok. and do ${a} and ${b} ever meet in ${d.pick(COUNTRIES)}? what do ${d.pick(ANIMALS)} eat there`,
      };
    },
  },
  {
    difficulty: 0.25,
    write: (d) =>
      `Explain ${d.pick(TOPICS)} to a ${d.int(5, 12)} year old in ${d.int(2, 6)} sentences. ${d.pick(['Use an example from daily life.', `Mention ${d.pick(ANIMALS)}.`, 'Make it fun.', ''])}`.trim(),
  },
];

export const CHAT: QueryKind = {
  id: 'chat',
  share: 1.6,
  tasks,
  systems: ['You are a friendly assistant in a messenger. Answer in one or two sentences.'],
  systemChance: 0.15,
};
