import type { Draw } from './draw.ts';
import type { QueryKind, Task } from './kind.ts';
import { CITIES, COMPANIES, FIRST_NAMES, MONTHS, PRODUCTS, WEEKDAYS } from './words.ts';

function reportSentences(d: Draw): string[] {
  return [
    `Revenue at ${d.pick(COMPANIES)} rose ${d.int(1, 19)}% to ${d.int(11, 480)} million in the quarter, mainly on stronger demand for the ${d.pick(PRODUCTS)} line.`,
    `Operating costs went up ${d.int(2, 22)}% because freight from ${d.pick(CITIES)} became more expensive and two suppliers raised their prices.`,
    `The warehouse in ${d.pick(CITIES)} was closed for ${d.int(2, 19)} days after flooding, which delayed about ${d.int(2, 40) * 100} shipments.`,
    `Customer satisfaction fell to ${d.int(61, 79)} points; the most frequent complaint was slow replies on weekends.`,
    `Management expects ${d.pick(MONTHS)} to be the turning point and keeps its forecast for the full year.`,
    `A hiring freeze stays in place for all teams except support, where ${d.int(4, 30)} positions are open.`,
    `The board approved ${d.int(2, 25)} million for the new line in ${d.pick(CITIES)}, to be spent over ${d.int(2, 4)} years.`,
    `Returns of the ${d.pick(PRODUCTS)} dropped by a third after the redesign of its packaging.`,
  ];
}

function mail(d: Draw, from: string, to: string): string {
  const lines = [
    `I talked to the people in ${d.pick(CITIES)} and they can only start on ${d.pick(WEEKDAYS)}, so the date we promised is at risk.`,
    `Finance wants the numbers for the ${d.pick(PRODUCTS)} before they release the second half of the ${d.int(5, 90)}k.`,
    `I would rather cut the scope than move the launch again, we have done that ${d.pick(['twice', 'three times'])} already.`,
    `Legal has not answered yet; without them we cannot sign with ${d.pick(COMPANIES)}.`,
    `Could you send the updated list by ${d.pick(WEEKDAYS)} noon? I am away after that until the ${d.int(12, 28)}th.`,
    `By the way, the demo account has stopped working again.`,
  ];
  return `From: ${from}\nTo: ${to}\n\nHi ${to},\n\n${d.some(lines, d.int(2, 4)).join(' ')}\n\nBest, ${from}`;
}

const tasks: Task[] = [
  {
    difficulty: 0.3,
    write: (d) =>
      `Summarise this report in ${d.pick(['three bullet points', 'two sentences', 'one paragraph', 'under 60 words'])}:\n\n${d.some(reportSentences(d), d.int(4, 6)).join(' ')}`,
  },
  {
    difficulty: 0.45,
    write: (d) => {
      const [a, b] = d.some(FIRST_NAMES, 2);
      return `tl;dr of this thread please, and who has to do what by when:\n\n${mail(d, a, b)}\n\n---\n\n${mail(d, b, a)}`;
    },
  },
  {
    difficulty: 0.5,
    write: (d) => {
      const people = d.some(FIRST_NAMES, 3);
      const notes = d.some(
        ['budget', 'hiring', 'launch date', 'office move', 'pricing', 'support backlog', 'new logo', 'security audit'],
        4,
      );
      return `Turn these meeting notes into minutes (decisions, open questions, actions with owner):\n\n${d.pick(WEEKDAYS)} ${d.int(9, 16)}:00, present ${people.join(', ')}\n${notes.map((topic) => `- ${topic}: ${d.pick(people)} ${d.pick(['wants to wait', 'says it is decided', 'will check by', 'disagrees, talk again', 'to send a proposal'])} ${d.pick(WEEKDAYS)}, ${d.int(2, 60)}${d.pick(['k', ' people', ' days', '%'])}??`).join('\n')}\n- aob none`;
    },
  },
  {
    difficulty: 0.6,
    write: (d) =>
      `Write an executive summary of the two quarterly reports below for a board that has ${d.int(1, 4)} minutes. Say where they contradict each other.\n\nReport A\n${d.some(reportSentences(d), 5).join(' ')}\n\nReport B\n${d.some(reportSentences(d), 5).join(' ')}`,
  },
  {
    difficulty: 0.35,
    write: (d) =>
      `Summarise the customer reviews below: what do people like, what do they dislike, overall mood in one word.\n\n${d
        .some(
          [
            `"Got the ${d.pick(PRODUCTS)} in ${d.int(2, 12)} days, works as described, a bit loud."`,
            `"Broke after ${d.int(2, 20)} weeks and nobody answers the phone."`,
            `"My ${d.pick(['sister', 'boss', 'neighbour'])} has the same one, we both love it. ${d.int(4, 5)} stars."`,
            `"Manual is useless but the video helped."`,
            `"Too expensive for what it is, paid ${d.int(40, 300)} euro."`,
            `"Colour is nothing like the photo, sent it back, refund came quickly."`,
          ],
          4,
        )
        .join('\n')}`,
  },
];

export const SUMMARY: QueryKind = {
  id: 'summary',
  share: 1.3,
  tasks,
  systems: ['You summarise documents for busy managers. Be brief and never invent figures.'],
  systemChance: 0.3,
  openers: ['', '', '', 'Hi, ', 'For my boss: '],
  closers: ['', '', '', '\n\nKeep the numbers.', '\n\nPlain language please.'],
};
