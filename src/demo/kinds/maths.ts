import type { QueryKind, Task } from './kind.ts';
import { CITIES, FIRST_NAMES, PRODUCTS } from './words.ts';

const tasks: Task[] = [
  {
    difficulty: 0.15,
    write: (d) =>
      `A ${d.pick(PRODUCTS)} costs $${d.money(20, 240)}. The shop takes ${d.int(1, 8) * 5}% off and then adds ${d.int(5, 21)}% sales tax. How much does ${d.pick(FIRST_NAMES)} pay in the end?`,
  },
  {
    difficulty: 0.2,
    write: (d) =>
      `${d.pick(FIRST_NAMES)} earns $${d.int(12, 38)} an hour and time and a half for every hour above ${d.int(35, 40)} in a week. What is the pay for a week with ${d.int(41, 58)} hours?`,
  },
  {
    difficulty: 0.45,
    write: (d) => {
      const [a, b] = d.some(CITIES, 2);
      return `A train leaves ${a} for ${b} at ${d.int(6, 11)}:${d.pick(['00', '15', '30', '45'])} travelling at ${d.int(60, 110)} km/h. ${d.int(20, 70)} minutes later a faster train leaves ${b} for ${a} at ${d.int(111, 180)} km/h. The cities are ${d.int(240, 620)} km apart. At what time do they meet, and how far from ${a}?`;
    },
  },
  {
    difficulty: 0.4,
    write: (d) =>
      `One pipe fills a tank in ${d.int(4, 12)} hours, a second fills it in ${d.int(5, 15)} hours, and a drain empties it in ${d.int(16, 40)} hours. If all three are open and the tank starts ${d.pick(['empty', 'a quarter full', 'one third full', 'half full'])}, how long until it is full? Show the steps.`,
  },
  {
    difficulty: 0.4,
    write: (d) => {
      const [a, b] = d.some(FIRST_NAMES, 2);
      return `${a} is ${d.int(3, 5)} times as old as ${b}. In ${d.int(6, 18)} years ${a} will be twice as old as ${b}. How old are they now?`;
    },
  },
  {
    difficulty: 0.55,
    write: (d) =>
      `A chemist mixes ${d.int(10, 60)} litres of a ${d.int(5, 25)}% acid solution with a ${d.int(40, 80)}% solution. How many litres of the stronger one are needed to get a ${d.int(28, 38)}% mixture?`,
  },
  {
    difficulty: 0.5,
    write: (d) =>
      `${d.pick(FIRST_NAMES)} puts $${d.int(10, 90) * 100} into an account that pays ${d.money(2, 7)}% a year, compounded ${d.pick(['monthly', 'quarterly', 'yearly'])}, and adds $${d.int(5, 40) * 10} at the end of each month. How much is in the account after ${d.int(3, 15)} years? Round to the nearest dollar.`,
  },
  {
    difficulty: 0.75,
    write: (d) =>
      `A bag holds ${d.int(4, 9)} red, ${d.int(3, 8)} blue and ${d.int(2, 7)} green marbles. ${d.int(3, 5)} marbles are drawn without putting any back. What is the probability that ${d.pick(['exactly two are red', 'no two have the same colour', 'at least one of each colour is drawn', 'the last one drawn is blue given that the first was red'])}? Give an exact fraction.`,
  },
  {
    difficulty: 0.85,
    write: (d) =>
      `${d.pick(['Prove or disprove', 'Work out with proof'])}: for how many integers n between ${d.int(2, 40)} and ${d.int(400, 2000)} is n^2 + ${d.int(2, 30)}n divisible by ${d.pick([7, 11, 12, 13, 15, 17, 24])}? Explain each step of the counting argument.`,
  },
  {
    difficulty: 0.35,
    write: (d) =>
      `A rectangular garden is ${d.int(8, 30)} m by ${d.int(5, 24)} m with a path ${d.pick(['0.5', '0.8', '1', '1.2', '1.5'])} m wide all the way around the outside. Paving costs $${d.money(18, 60)} per square metre and edging $${d.money(3, 12)} per metre. What is the total cost?`,
  },
  {
    difficulty: 0.6,
    write: (d) => {
      const [a, b, c] = d.some(FIRST_NAMES, 3);
      return `${a}, ${b} and ${c} run a stall together. ${a} put in $${d.int(4, 20) * 50}, ${b} put in $${d.int(4, 20) * 50} three months later, and ${c} joined with $${d.int(4, 20) * 50} after half a year.\n\nAt the end of the first year they made a profit of $${d.int(20, 90) * 60}. ${a} also gets ${d.int(5, 15)}% of the profit up front for running the place, and what remains is shared in proportion to money times months.\n\nHow much does each of them receive?`;
    },
  },
];

export const MATHS: QueryKind = {
  id: 'maths',
  share: 1.2,
  tasks,
  openers: ['', '', '', 'Can you solve this? ', 'My homework says: ', 'Quick maths question. ', 'Stuck on this one: '],
  closers: [
    '',
    '',
    '',
    ' Show your working.',
    ' Just the number please.',
    ' I keep getting a different answer from my friend.',
  ],
};
