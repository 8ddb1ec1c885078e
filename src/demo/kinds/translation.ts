import type { QueryKind, Task } from './kind.ts';
import { turns } from './kind.ts';
import { CITIES, FIRST_NAMES, PRODUCTS, WEEKDAYS } from './words.ts';

const LANGUAGES = [
  'German',
  'French',
  'Spanish',
  'Italian',
  'Portuguese',
  'Polish',
  'Dutch',
  'Japanese',
  'Turkish',
  'Swedish',
] as const;
const TONES = ['formal', 'friendly', 'neutral business', 'informal', 'very polite'] as const;

const tasks: Task[] = [
  {
    difficulty: 0.15,
    write: (d) =>
      `Translate into ${d.pick(LANGUAGES)}: "${d.pick(['Where is the nearest pharmacy', 'Could we have the bill', 'My luggage has not arrived', 'Is breakfast included', 'Does this bus go to the old town', 'I would like to change my booking'])}, please? We are staying in ${d.pick(CITIES)} until ${d.pick(WEEKDAYS)}, room ${d.int(101, 899)}."`,
  },
  {
    difficulty: 0.3,
    write: (d) =>
      `Übersetze bitte ins ${d.pick(['Englische', 'Französische', 'Spanische', 'Italienische'])}: Sehr geehrte Frau ${d.pick(FIRST_NAMES)}, leider verzögert sich die Lieferung Ihrer Bestellung Nr. ${d.int(1000, 9999)} um ${d.int(2, 14)} Werktage, da der Artikel derzeit in unserem Lager in ${d.pick(CITIES)} nicht verfügbar ist. Wir bitten um Ihr Verständnis.`,
  },
  {
    difficulty: 0.3,
    write: (d) =>
      `Traduis en ${d.pick(['anglais', 'allemand', 'espagnol', 'italien'])} : « Bonjour ${d.pick(FIRST_NAMES)}, je confirme notre rendez-vous du ${d.int(1, 28)} à ${d.int(8, 18)} h dans nos bureaux de ${d.pick(CITIES)}. Pensez à apporter une pièce d'identité et les ${d.int(2, 6)} exemplaires signés du contrat. » Ton ${d.pick(['formel', 'amical', 'neutre'])}.`,
  },
  {
    difficulty: 0.55,
    write: (d) =>
      `Please translate this product text into ${d.pick(LANGUAGES)}, ${d.pick(TONES)} tone, and keep the placeholders in braces exactly as they are:\n\nMeet the new {brand} ${d.pick(PRODUCTS)}. It weighs just ${d.int(1, 9)}.${d.int(1, 9)} kg, folds flat in ${d.int(3, 30)} seconds, and comes with a ${d.int(2, 10)}-year guarantee. Order before {date} and we will throw in free delivery to ${d.pick(CITIES)} and everywhere else we ship. No strings attached: if it is not for you, send it back within ${d.int(14, 90)} days.`,
  },
  {
    difficulty: 0.7,
    write: (d) =>
      `Translate the following idioms into natural ${d.pick(LANGUAGES)} (equivalents, not word for word), with one example sentence each: "${d.some(['to bite the bullet', 'once in a blue moon', 'to beat around the bush', 'a piece of cake', 'to let the cat out of the bag', 'to cut corners', 'the elephant in the room', 'to get cold feet', 'to burn bridges', 'under the weather'], 4).join('", "')}".`,
  },
  {
    difficulty: 0.45,
    write: (d) => {
      const language = d.pick(LANGUAGES);
      return {
        history: turns(
          `How do you say "we are looking forward to your visit" in ${language}?`,
          `In ${language} there are two usual ways, one formal and one among colleagues. Shall I give you both?`,
        ),
        text: `Yes, both. And then also this sentence for ${d.pick(FIRST_NAMES)} from ${d.pick(CITIES)} in ${language}: "The ${d.pick(PRODUCTS)} will be ready for pick-up on ${d.pick(WEEKDAYS)} after ${d.int(8, 17)}:30."`,
      };
    },
  },
  {
    difficulty: 0.4,
    write: (d) => {
      const strings = d.some(
        [
          'Sign in',
          'Your cart is empty',
          'Forgot password?',
          'Payment failed',
          'Delete account',
          'Save changes',
          'Load more',
          'Session expired',
          'Invite a friend',
          'Undo',
        ],
        5,
      );
      return `Localise these interface strings into ${d.some(LANGUAGES, 2).join(' and ')}. Max ${d.int(12, 28)} characters each, ${d.pick(TONES)}.\n\n${strings.map((s) => `- ${s}`).join('\n')}`;
    },
  },
];

export const TRANSLATION: QueryKind = {
  id: 'translation',
  share: 1.1,
  tasks,
  systems: ['You are a professional translator. Output the translation only.'],
  systemChance: 0.25,
  closers: ['', '', '', ' Thank you!', '\n\nPlease point out anything that does not translate well.'],
};
