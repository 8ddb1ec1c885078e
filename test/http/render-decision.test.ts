import { describe, expect, it } from 'vitest';
import { renderDecision } from '../../src/http/render-decision.ts';
import { decided, explanationOf } from '../gateway/unit/support.ts';

describe('renderDecision', () => {
  it.each([
    [null, null],
    [{ tries: 3, of: 30, wide: true, forced: true }, 'new, 3 of 30'],
    [{ tries: 30, of: 30, wide: true, forced: false }, 'new, 30 of 30'],
    [{ tries: 3, of: 30, wide: false, forced: true }, 'new, 3 of 30'],
    [{ tries: 30, of: 30, wide: false, forced: false }, null],
    // Recorded before there was a flag for whether the launch was over.
    [{ tries: 30, of: 30 }, 'new, 30 of 30'],
  ])('shows the launch %j for as long as it lasts', (launch, told) => {
    const { decision } = decided('d', { arms: [explanationOf('big', { launch })] });
    expect(renderDecision(decision).models[0].launch).toBe(told);
  });
});
