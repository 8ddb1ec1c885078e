import type { Draw } from './draw.ts';
import type { QueryKind, Task } from './kind.ts';
import { CITIES, COMPANIES, FIRST_NAMES, LAST_NAMES, MONTHS, PRODUCTS } from './words.ts';

function person(d: Draw): string {
  return `${d.pick(FIRST_NAMES)} ${d.pick(LAST_NAMES)}`;
}

function invoice(d: Draw): string {
  const items = d.some(PRODUCTS, d.int(2, 5)).map((p) => `${d.int(1, 12)} x ${p}   ${d.money(5, 300)}`);
  return `INVOICE ${d.int(2023, 2025)}-${d.int(1000, 9999)}\n${d.pick(COMPANIES)}, ${d.int(1, 220)} Mill Road, ${d.pick(CITIES)}\nTo: ${person(d)}\nDue: ${d.int(1, 28)} ${d.pick(MONTHS)}\n\n${items.join('\n')}\n\nShipping ${d.money(0, 25)}\nVAT ${d.pick([7, 19, 20, 21])}%\nIBAN XX${d.int(10, 99)} ${d.int(1000, 9999)} ${d.int(1000, 9999)}`;
}

const tasks: Task[] = [
  {
    difficulty: 0.3,
    write: (d) =>
      `Extract the data of this invoice as JSON with the keys ${d.pick(['number, seller, buyer, due_date, items[], total', 'invoice_no, vendor, customer, lines[], vat, iban', 'id, from, to, positions[], shipping'])}. Dates as YYYY-MM-DD, amounts as numbers.\n\n${invoice(d)}`,
  },
  {
    difficulty: 0.4,
    write: (d) =>
      `Return a JSON array of all people in the text with {"name", "role", "company", "city"}; null where the text does not say.\n\n${person(d)}, who has led purchasing at ${d.pick(COMPANIES)} in ${d.pick(CITIES)} since ${d.int(2008, 2024)}, will be succeeded by ${person(d)}. Until ${d.pick(MONTHS)} the post is shared with ${person(d)} of ${d.pick(COMPANIES)}, a former auditor. "${d.pick(['We are delighted', 'It was time', 'Nothing changes for our customers'])}", said chairwoman ${person(d)} in ${d.pick(CITIES)}.`,
  },
  {
    difficulty: 0.25,
    write: (d) => {
      const rows = Array.from(
        { length: d.int(3, 7) },
        () => `| ${person(d)} | ${d.pick(CITIES)} | ${d.int(18, 80)} | ${d.money(10, 900)} |`,
      );
      return `Convert this table to ${d.pick(['JSON', 'CSV with semicolons', 'YAML', 'JSON Lines'])}, keys in ${d.pick(['camelCase', 'snake_case'])}, sorted by ${d.pick(['age', 'city', 'amount', 'name'])}:\n\n| Name | City | Age | Amount |\n|---|---|---|---|\n${rows.join('\n')}`;
    },
  },
  {
    difficulty: 0.45,
    write: (d) =>
      `Classify the support ticket and extract its fields. JSON only: {"category": one of [billing, delivery, defect, account, other], "urgency": 1-5, "product", "order_id", "wants_refund": bool}\n\nTicket: "${d.pick(['Hello', 'Hi there', 'To whom it may concern', 'So'])}, my ${d.pick(PRODUCTS)} (order ${d.pick(['A', 'B', 'K'])}-${d.int(10000, 99999)}) ${d.pick(['never came', 'makes a burning smell', 'was charged twice', 'has the wrong colour', 'stopped charging'])} and I have been waiting for ${d.int(3, 40)} days. ${d.pick(['I want my money back.', 'Please send a new one.', 'This is the third mail!', 'No rush though.'])} ${person(d)}, ${d.pick(CITIES)}"`,
  },
  {
    difficulty: 0.6,
    write: (d) => {
      const lines = Array.from(
        { length: d.int(4, 8) },
        () =>
          `${d.int(10, 28)}.${d.int(10, 12)}. ${d.pick(['+', '-'])}${d.money(3, 800)} ${d.pick(COMPANIES)} ${d.pick(['refund', 'card payment', 'direct debit', 'ref', 'part payment'])} ${d.int(100, 999)}`,
      );
      return `Parse these bank lines into {"date","amount","counterparty","type","reference"}. The year is ${d.int(2021, 2025)}. Pair each refund with the payment it belongs to ("refund_of": index or null), and put anything you are unsure about into "warnings".\n\n${lines.join('\n')}`;
    },
  },
  {
    difficulty: 0.35,
    write: (d) =>
      `From this CV get name, years_of_experience, skills (list), languages (list) and last_employer as JSON:\n\n${person(d)} — ${d.pick(CITIES)}\n${d.int(2015, 2020)}–today ${d.pick(COMPANIES)}, ${d.pick(['team lead', 'analyst', 'welder', 'nurse', 'buyer'])}\n${d.int(2006, 2014)}–${d.int(2015, 2018)} ${d.pick(COMPANIES)}, ${d.pick(['intern', 'clerk', 'junior engineer'])}\nSkills: ${d.some(['Excel', 'SAP', 'first aid', 'forklift licence', 'Kotlin', 'AutoCAD', 'bookkeeping', 'negotiation'], 4).join(', ')}\nSpeaks ${d.some(['Polish', 'English', 'Arabic', 'Dutch', 'Hindi', 'Finnish'], 3).join(', ')}`,
  },
];

export const EXTRACTION: QueryKind = {
  id: 'extraction',
  share: 1.1,
  tasks,
  systems: [
    'You are a data extraction service. Reply with valid JSON and nothing else.',
    'Extract structured data. Never guess: unknown values are null.',
  ],
  systemChance: 0.6,
};
