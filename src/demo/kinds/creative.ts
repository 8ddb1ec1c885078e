import type { QueryKind, Task } from './kind.ts';
import { turns } from './kind.ts';
import { CITIES, COMPANIES, FIRST_NAMES, MONTHS, PRODUCTS } from './words.ts';

const HEROES = [
  'a retired lighthouse keeper',
  'a nervous dragon',
  'the last bookbinder',
  'a night bus driver',
  'two rival bakers',
  'a robot who collects buttons',
  'an unlucky smuggler',
  'a girl who can hear maps',
  'a ghost with stage fright',
  'an honest pickpocket',
] as const;
const MOODS = ['melancholy', 'funny', 'eerie', 'hopeful', 'deadpan', 'dreamlike', 'bittersweet'] as const;
const SETTINGS = [
  'a flooded city',
  'a mountain monastery',
  'a space elevator',
  'an abandoned fairground',
  'a small island in winter',
  'the court of a child king',
  'a train that never stops',
] as const;
const THINGS = [
  'an unposted letter',
  'a stopped clock',
  'a jar of plums',
  'a borrowed coat',
  'a broken compass',
  'the smell of rain',
  'an old radio',
  'a key that fits nothing',
] as const;

const tasks: Task[] = [
  {
    difficulty: 0.35,
    write: (d) =>
      `Write a ${d.pick(MOODS)} ${d.pick(['poem', 'sonnet', 'haiku sequence', 'villanelle', 'free-verse poem', 'ballad'])} about ${d.pick(THINGS)} and ${d.pick(CITIES)} in ${d.pick(MONTHS)}. ${d.pick(['No rhymes.', 'It should rhyme.', 'Avoid clichés.', 'Second person.', ''])}`,
  },
  {
    difficulty: 0.55,
    write: (d) =>
      `Write a short story (${d.int(3, 12) * 100} words) about ${d.pick(HEROES)} in ${d.pick(SETTINGS)}. Somewhere in it there has to be ${d.pick(THINGS)}. The tone should be ${d.pick(MOODS)}, and ${d.pick(['the ending must be a surprise', 'start in the middle of a conversation', 'tell it backwards', 'tell it as diary entries', 'nobody may say what they really want'])}.`,
  },
  {
    difficulty: 0.25,
    write: (d) =>
      `Give me ${d.int(5, 20)} ${d.pick(['slogans', 'taglines', 'names', 'headlines'])} for ${d.pick(COMPANIES)}, who ${d.pick(['are launching', 'sell', 'repair', 'rent out'])} a ${d.pick(PRODUCTS)} for ${d.pick(['students', 'nurses', 'climbers', 'grandparents', 'musicians', 'cat owners'])}. ${d.pick(['Playful', 'Elegant', 'Bold', 'Understated'])}, max ${d.int(3, 8)} words each.`,
  },
  {
    difficulty: 0.6,
    write: (d) => {
      const [a, b] = d.some(FIRST_NAMES, 2);
      return `Write a dialogue between ${a} (${d.pick(HEROES)}) and ${b} (${d.pick(HEROES)}), stuck together in ${d.pick(SETTINGS)}. They argue about ${d.pick(THINGS)} without ever naming it. Subtext over exposition, ${d.int(12, 40)} lines, ${d.pick(MOODS)}.`;
    },
  },
  {
    difficulty: 0.4,
    write: (d) => {
      const [hero, setting] = [d.pick(HEROES), d.pick(SETTINGS)];
      return {
        history: turns(
          `I'm preparing a role-playing evening. Setting: ${setting}. Main character: ${hero}. Ideas?`,
          `Lovely setting. What if ${hero} owes a favour to somebody who vanished, and the only trace is ${d.pick(THINGS)}? I can work out scenes, side characters or the opening.`,
        ),
        text: `Great, write the opening narration to read aloud (${d.int(80, 300)} words, ${d.pick(MOODS)}) and introduce ${d.pick(FIRST_NAMES)}, who knows more than they admit about ${d.pick(THINGS)}.`,
      };
    },
  },
  {
    difficulty: 0.3,
    write: (d) =>
      `write me a limerick about ${d.pick(FIRST_NAMES)} from ${d.pick(CITIES)} who ${d.pick(['bought', 'lost', 'married', 'sued', 'painted', 'swallowed'])} a ${d.pick(PRODUCTS)}`,
  },
  {
    difficulty: 0.5,
    write: (d) =>
      `Wedding speech for my ${d.pick(['sister', 'best friend', 'brother', 'cousin', 'colleague'])} ${d.pick(FIRST_NAMES)}, who is marrying ${d.pick(FIRST_NAMES)} in ${d.pick(CITIES)}. They met because of a ${d.pick(PRODUCTS)}. About ${d.int(2, 6)} minutes, ${d.pick(['warm', 'witty', 'short and sincere', 'a little embarrassing'])}, no jokes about ${d.pick(['exes', 'money', 'in-laws', 'work'])}.`,
  },
];

export const CREATIVE: QueryKind = {
  id: 'creative',
  share: 1,
  tasks,
  openers: ['', '', '', 'Feeling stuck. ', 'For a competition: ', 'Hello! '],
  closers: ['', '', '', ' Surprise me.', ' Make it sound human.'],
};
