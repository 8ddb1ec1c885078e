/** A field of a protocol buffer: a number becomes a varint, anything else is length-delimited. */
function field(number: number, value: number | string | Buffer): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = Buffer.from(value as string);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest ? low | 128 : low);
  } while (rest);
  return Buffer.from(bytes);
}

/** TensorProto.DataType */
const FLOAT = 1;
const INT8 = 3;
const INT64 = 7;

export type Attribute = { int: number } | { ints: number[] } | { float: number };

export interface GraphValue {
  name: string;
  type: 'float' | 'int64';
  /** Sizes, or names of dimensions that vary. */
  dims: (number | string)[];
}

/** Builds an ONNX model, opset 17, with as much of onnx.proto as a BERT needs. */
export class OnnxGraph {
  readonly #nodes: Buffer[] = [];
  readonly #initialisers: Buffer[] = [];
  #names = 0;

  /**
   * Adds a constant.
   * @returns its name
   */
  constant(dims: number[], values: Float32Array | Int8Array | BigInt64Array): string {
    const name = `c${++this.#names}`;
    const type = values instanceof Float32Array ? FLOAT : values instanceof Int8Array ? INT8 : INT64;
    const data = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    this.#initialisers.push(
      Buffer.concat([...dims.map((size) => field(1, size)), field(2, type), field(8, name), field(9, data)]),
    );
    return name;
  }

  /** Adds a constant of dimensions or axes. A single number makes a scalar. */
  integers(values: number | number[]): string {
    const list = [values].flat();
    return this.constant(Array.isArray(values) ? [list.length] : [], BigInt64Array.from(list.map(BigInt)));
  }

  /** @returns the names of the outputs */
  node(operator: string, inputs: string[], attributes: Record<string, Attribute> = {}, outputs = 1): string[] {
    const names = Array.from({ length: outputs }, () => `n${++this.#names}`);
    this.#add(operator, inputs, names, attributes);
    return names;
  }

  encode(inputs: GraphValue[], output: GraphValue, from: string): Buffer {
    this.#add('Identity', [from], [output.name], {});
    const graph = Buffer.concat([
      ...this.#nodes.map((node) => field(1, node)),
      field(2, 'tiny-bert'),
      ...this.#initialisers.map((tensor) => field(5, tensor)),
      ...inputs.map((value) => field(11, valueInfo(value))),
      field(12, valueInfo(output)),
    ]);
    const opset = Buffer.concat([field(1, ''), field(2, 17)]);
    return Buffer.concat([field(1, 8), field(2, 'mixllm-tests'), field(7, graph), field(8, opset)]);
  }

  #add(operator: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute>): void {
    this.#nodes.push(
      Buffer.concat([
        ...inputs.map((name) => field(1, name)),
        ...outputs.map((name) => field(2, name)),
        field(4, operator),
        ...Object.entries(attributes).map(([name, value]) => field(5, attribute(name, value))),
      ]),
    );
  }
}

function attribute(name: string, value: Attribute): Buffer {
  if ('int' in value) return Buffer.concat([field(1, name), field(3, value.int), field(20, 2)]);
  if ('ints' in value) {
    return Buffer.concat([field(1, name), ...value.ints.map((int) => field(8, int)), field(20, 7)]);
  }
  const float = Buffer.alloc(4);
  float.writeFloatLE(value.float);
  return Buffer.concat([field(1, name), varint((2 << 3) | 5), float, field(20, 1)]);
}

function valueInfo({ name, type, dims }: GraphValue): Buffer {
  const shape = Buffer.concat(dims.map((size) => field(1, field(typeof size === 'string' ? 2 : 1, size))));
  const tensor = Buffer.concat([field(1, type === 'float' ? FLOAT : INT64), field(2, shape)]);
  return Buffer.concat([field(1, name), field(2, field(1, tensor))]);
}
