import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BertShape, bertGraph } from './bert-graph.ts';

export interface TinyBertOptions extends Partial<Omit<BertShape, 'vocabulary'>> {
  /** Words with a token of their own; other words are split into letters. */
  words: readonly string[];
}

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const CHARACTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789.,!?\'"()-:;/$%&#@*+=<>[]{}_|\\`~^'];

/**
 * Writes a BERT with random weights into a folder, in the files of a model on the Hugging Face hub. It resembles a
 * sentence-embedding model enough that texts with the same words lie near one another. Equal options give equal
 * bytes.
 */
export function writeTinyBert(folder: string, options: TinyBertOptions): void {
  const { words, hidden = 48, layers = 2, heads = 2, positions = 128 } = options;
  const tokens = [...new Set([...SPECIAL, ...CHARACTERS, ...CHARACTERS.map((c) => `##${c}`), ...words])];
  const shape = { vocabulary: tokens.length, hidden, layers, heads, positions };
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  writeFileSync(join(folder, 'onnx/model.onnx'), bertGraph(shape, false));
  writeFileSync(join(folder, 'onnx/model_quantized.onnx'), bertGraph(shape, true));
  const write = (name: string, value: object) => writeFileSync(join(folder, name), JSON.stringify(value));
  write('config.json', modelConfig(shape));
  write('tokenizer_config.json', {
    tokenizer_class: 'BertTokenizer',
    do_lower_case: true,
    model_max_length: positions,
    unk_token: '[UNK]',
    cls_token: '[CLS]',
    sep_token: '[SEP]',
    pad_token: '[PAD]',
    mask_token: '[MASK]',
  });
  write('tokenizer.json', tokenizer(tokens));
}

function modelConfig({ vocabulary, hidden, layers, heads, positions }: BertShape): object {
  return {
    model_type: 'bert',
    architectures: ['BertModel'],
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: 4 * hidden,
    max_position_embeddings: positions,
    type_vocab_size: 2,
    vocab_size: vocabulary,
    pad_token_id: 0,
    hidden_act: 'gelu',
    layer_norm_eps: 1e-12,
  };
}

function tokenizer(tokens: string[]): object {
  const special = (id: number) => ({ SpecialToken: { id: SPECIAL[id], type_id: 0 } });
  const described = (id: number) => ({ id: SPECIAL[id], ids: [id], tokens: [SPECIAL[id]] });
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({ id, content, ...flags })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special(2), text('A', 0), special(3)],
      pair: [special(2), text('A', 0), special(3), text('B', 1), special(3)],
      special_tokens: { '[CLS]': described(2), '[SEP]': described(3) },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    },
  };
}
