import { describe, expect, it } from 'vitest';
import { THOMPSON, UCB_ALPHA } from '../../src/bandit/defaults.ts';
import { EXPLORATIONS, type Prospect } from '../../src/bandit/exploration.ts';
import { normalCdf } from '../../src/util/normal-distribution.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';

const { floor, floorCostOffset, coldWidth, clip, plausibleSds } = THOMPSON;

function prospect(fields: Partial<Prospect>): Prospect {
  return { quality: 0.8, sd: 0, leverage: 0, width: coldWidth, forced: false, handicap: 0, relativeCost: 1, ...fields };
}

/** Random numbers given in advance: normals first, then uniforms. */
function scripted(normals: number[], uniforms: number[]): Random {
  const next = (numbers: number[]) => numbers.shift() ?? expect.unreachable('one more number was drawn');
  return { normal: () => next(normals), uniform: () => next(uniforms) };
}

const { none, ucb, thompson } = EXPLORATIONS;
const NO_FLOOR = 0.9;

describe('thompson', () => {
  it('adds the clipped draw, scaled by the width and the standard deviation', () => {
    const prospects = [
      prospect({ sd: 0.1, width: 0.4 }),
      prospect({ sd: 0.1, width: 0.2 }),
      prospect({ sd: 0.1, width: 0.4 }),
      prospect({ sd: 0.1, width: 0.4 }),
    ];
    const { explored } = thompson(prospects, 0.7, scripted([1, 1, 5, -5], [NO_FLOOR]));
    expect(explored[0]).toBeCloseTo(0.84, 12);
    expect(explored[1]).toBeCloseTo(0.82, 12);
    expect(explored[2]).toBeCloseTo(0.8 + coldWidth * 0.1 * clip, 12);
    expect(explored[3]).toBeCloseTo(0.8 - coldWidth * 0.1 * clip, 12);
  });

  it('chooses the best of weight · explored quality − handicap', () => {
    const prospects = [prospect({ sd: 0.1, handicap: 0.02 }), prospect({ sd: 0.1 }), prospect({ handicap: -0.001 })];
    expect(thompson(prospects, 0.5, scripted([1.5, -1, 0], [NO_FLOOR])).chosen).toBe(0);
    expect(thompson(prospects, 0.5, scripted([0.9, -1, 0], [NO_FLOOR])).chosen).toBe(2);
    expect(thompson(prospects, 0.5, scripted([0, 1, 0], [NO_FLOOR])).chosen).toBe(1);
  });

  it('has the propensities of its draw, in closed form if one of two arms is certain', () => {
    const prospects = [
      prospect({ quality: 0.8, sd: 0.1, relativeCost: 1 }),
      prospect({ quality: 0.82, relativeCost: 0 }),
    ];
    // S₀ beats 0.82 when 0.8 + 0.04 z does.
    const win = 1 - normalCdf(0.02 / (0.1 * coldWidth));
    const floors = [1 / (floorCostOffset + 1), 1 / floorCostOffset];
    const share = floors[0] / (floors[0] + floors[1]);
    const { propensities } = thompson(prospects, 1, seededRandom(1));
    expect(propensities[0]).toBeCloseTo((1 - floor) * win + floor * share, 7);
    expect(propensities[1]).toBeCloseTo((1 - floor) * (1 - win) + floor * (1 - share), 7);
  });

  it('spreads the floor only over plausible arms, cheap ones first', () => {
    const sd = 0.02;
    const reach = plausibleSds * sd;
    const prospects = [
      prospect({ quality: 0.9, relativeCost: 1 }),
      prospect({ quality: 0.9 - reach + 1e-9, sd, relativeCost: 0.1 }),
      prospect({ quality: 0.9 - reach - 1e-9, sd, relativeCost: 0.1 }),
      prospect({ quality: 0.9, handicap: 0.001 }),
    ];
    const shares = [1 / (floorCostOffset + 1), 1 / (floorCostOffset + 0.1), 0, 0];
    const total = shares[0] + shares[1];
    // 0.04 below with a width of 0.008 never wins by a draw.
    const { propensities } = thompson(prospects, 1, seededRandom(3));
    expect(propensities[0]).toBeCloseTo(1 - floor + (floor * shares[0]) / total, 12);
    expect(propensities[1]).toBeCloseTo((floor * shares[1]) / total, 12);
    expect(propensities.slice(2)).toEqual([0, 0]);
  });

  it('draws from the floor below its probability but not at it', () => {
    const prospects = [prospect({ relativeCost: 1 }), prospect({ relativeCost: 0 })];
    const last = 0.999;
    const by = (coin: number) => thompson(prospects, 0.5, scripted([0, 0], [coin, last]));
    expect(by(floor - 1e-9)).toMatchObject({ chosen: 1, chosenBy: 'floor' });
    expect(by(floor)).toMatchObject({ chosen: 0, chosenBy: 'score' });
    expect(by(0).propensities).toEqual(by(0.5).propensities);
  });

  it('can draw from the floor even if one arm is out of reach of every other', () => {
    const prospects = [prospect({ handicap: 1e6 }), prospect({ handicap: 0 }), prospect({ handicap: 1e9 })];
    const made = thompson(prospects, 0, scripted([0, 0, 0], [0, 0.5]));
    expect(made).toMatchObject({ chosen: 1, chosenBy: 'floor', propensities: [0, 1, 0] });
  });
});

describe('ucb and none', () => {
  it('ucb adds the bonus of the paper, α · xᵀA⁻¹x', () => {
    const prospects = [prospect({ quality: 0.8, leverage: 1 }), prospect({ quality: 0.85, leverage: 0.2 })];
    const made = ucb(prospects, 1, seededRandom(1));
    expect(made.explored[0]).toBeCloseTo(0.8 + UCB_ALPHA, 12);
    expect(made.explored[1]).toBeCloseTo(0.85 + UCB_ALPHA * 0.2, 12);
    expect(made).toMatchObject({ chosen: 0, chosenBy: 'score', propensities: [1, 0] });
    expect(none(prospects, 1, seededRandom(1))).toMatchObject({
      chosen: 1,
      explored: [0.8, 0.85],
      propensities: [0, 1],
    });
  });

  it('choose the first of equal arms', () => {
    const prospects = [prospect({ handicap: 1 }), prospect({}), prospect({})];
    for (const exploration of [none, ucb]) expect(exploration(prospects, 0.5, seededRandom(1)).chosen).toBe(1);
  });
});
