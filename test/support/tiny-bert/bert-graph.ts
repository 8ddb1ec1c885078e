import { seededRandom } from '../../../src/util/random.ts';
import { OnnxGraph } from './onnx-graph.ts';

export interface BertShape {
  vocabulary: number;
  hidden: number;
  layers: number;
  heads: number;
  /** Longest input, in tokens. */
  positions: number;
}

/**
 * A BERT encoder with seeded random weights.
 * @param quantised whether the linear layers work on 8-bit integers, with their inputs quantised at run time, as in
 * exports called `model_quantized.onnx`
 */
export function bertGraph(shape: BertShape, quantised: boolean): Buffer {
  const { vocabulary, hidden, layers, heads, positions } = shape;
  const graph = new OnnxGraph();
  const random = seededRandom(7);
  const normal = (size: number, sd: number) => Float32Array.from({ length: size }, () => sd * random.normal());
  const scalar = (value: number) => graph.constant([], Float32Array.of(value));
  const apply = (operator: string, ...inputs: string[]) => graph.node(operator, inputs)[0];

  function linear(input: string, inputs: number, outputs: number): string {
    const weights = normal(inputs * outputs, 0.5 / Math.sqrt(inputs));
    const product = quantised
      ? integerProduct(input, weights, [inputs, outputs])
      : apply('MatMul', input, graph.constant([inputs, outputs], weights));
    return apply('Add', product, graph.constant([outputs], normal(outputs, 0.02)));
  }

  function integerProduct(input: string, weights: Float32Array, dims: number[]): string {
    const step = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) / 127;
    const whole = graph.constant(
      dims,
      Int8Array.from(weights, (weight) => Math.round(weight / step)),
    );
    const [rounded, scale, zero] = graph.node('DynamicQuantizeLinear', [input], {}, 3);
    const [product] = graph.node('MatMulInteger', [rounded, whole, zero]);
    const [asFloat] = graph.node('Cast', [product], { to: { int: 1 } });
    return apply('Mul', asFloat, apply('Mul', scale, scalar(step)));
  }

  function normalised(input: string): string {
    const ones = graph.constant([hidden], new Float32Array(hidden).fill(1));
    const zeros = graph.constant([hidden], new Float32Array(hidden));
    return graph.node('LayerNormalization', [input, ones, zeros], { axis: { int: -1 }, epsilon: { float: 1e-12 } })[0];
  }

  function gelu(input: string): string {
    const half = apply('Mul', input, scalar(0.5));
    return apply('Mul', half, apply('Add', apply('Erf', apply('Mul', input, scalar(Math.SQRT1_2))), scalar(1)));
  }

  function attention(input: string, mask: string): string {
    const split = graph.integers([0, 0, heads, hidden / heads]);
    const perHead = (perm: number[]) => {
      const parts = apply('Reshape', linear(input, hidden, hidden), split);
      return graph.node('Transpose', [parts], { perm: { ints: perm } })[0];
    };
    const scores = apply('MatMul', perHead([0, 2, 1, 3]), perHead([0, 2, 3, 1]));
    const masked = apply('Add', apply('Mul', scores, scalar(1 / Math.sqrt(hidden / heads))), mask);
    const [shares] = graph.node('Softmax', [masked], { axis: { int: -1 } });
    const mixed = apply('MatMul', shares, perHead([0, 2, 1, 3]));
    const [turned] = graph.node('Transpose', [mixed], { perm: { ints: [0, 2, 1, 3] } });
    return linear(apply('Reshape', turned, graph.integers([0, 0, hidden])), hidden, hidden);
  }

  const words = graph.constant([vocabulary, hidden], normal(vocabulary * hidden, 1));
  const places = graph.constant([positions, hidden], normal(positions * hidden, 0.05));
  const types = graph.constant([2, hidden], normal(2 * hidden, 0.02));
  const length = apply('Gather', apply('Shape', 'input_ids'), graph.integers(1));
  const indices = apply('Range', graph.integers(0), length, graph.integers(1));
  const seen = graph.node('Cast', [apply('Unsqueeze', 'attention_mask', graph.integers([1, 2]))], {
    to: { int: 1 },
  })[0];
  const mask = apply('Mul', apply('Sub', scalar(1), seen), scalar(-1e4));
  let state = apply('Add', apply('Gather', words, 'input_ids'), apply('Gather', places, indices));
  state = normalised(apply('Add', state, apply('Gather', types, 'token_type_ids')));
  for (let layer = 0; layer < layers; layer++) {
    state = normalised(apply('Add', state, attention(state, mask)));
    const inner = gelu(linear(state, hidden, 4 * hidden));
    state = normalised(apply('Add', state, linear(inner, 4 * hidden, hidden)));
  }
  const dims = ['batch_size', 'sequence_length'];
  const inputs = ['input_ids', 'attention_mask', 'token_type_ids'];
  return graph.encode(
    inputs.map((name) => ({ name, type: 'int64' as const, dims })),
    { name: 'last_hidden_state', type: 'float', dims: [...dims, hidden] },
    state,
  );
}
