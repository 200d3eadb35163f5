"""Models and tokenizers made by transformers, and a check of what came back through GGUF files.

usage: model_files.py make DIR     writes DIR/KIND: a model, a tokenizer and expected.safetensors
       model_files.py check DIR    opens DIR/KIND/back with transformers, and DIR/KIND.gguf with llama.cpp; fails where they differ
Needs: torch, transformers, safetensors, tokenizers; xllamacpp for llama.cpp, without which its part is left out.
"""
import json, sys
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM)

work, root = sys.argv[1:]
text = "The cat sat on the mat, 12345 times; it's the naïve 猫's hat.\n\n  Then THE cat's mat sat: 2024, 7 and 89!\r\n" * 3
texts = [text, "", " x", "<|end|>a <|end|>", "I'M 1234567\n\n \nyou'll", "<tool> the<tool>"]
pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def split(digits):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern % digits), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def bytes_only(): return pre_tokenizers.ByteLevel(add_prefix_space=False)


rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 10000.0}
shape = dict(vocab_size=340, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=256, initializer_range=0.15, bos_token_id=0, eos_token_id=0)
kinds = {
    "gpt2": (lambda: GPT2LMHeadModel(GPT2Config(vocab_size=340, n_positions=256, n_embd=64, n_layer=2, n_head=4, initializer_range=0.15, bos_token_id=0, eos_token_id=0)), bytes_only),
    "llama": (lambda: LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=True)),
              lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytes_only()])),
    "llama3": (lambda: LlamaForCausalLM(LlamaConfig(**shape, rope_parameters=rope)), lambda: split("{1,3}")),
    "linear": (lambda: LlamaForCausalLM(LlamaConfig(**shape, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0})), bytes_only),
    "mistral": (lambda: MistralForCausalLM(MistralConfig(**shape, sliding_window=200, head_dim=32)), bytes_only),
    "qwen2": (lambda: Qwen2ForCausalLM(Qwen2Config(**shape, tie_word_embeddings=True)), lambda: split("")),
}


def logits(model, ids):
    with torch.no_grad():
        return model.float()(torch.tensor([ids])).logits[0].contiguous()


def close(a, b, limit, what):
    difference = ((a - b).norm() / b.norm()).item()
    print(f"{what}: {difference:.2e}")
    if not difference < limit: sys.exit(f"{what} differ by {difference}")


def llama(path, ids, vocabulary):
    """The log-probabilities of llama.cpp after some ids; the most likely next one is not the end."""
    import xllamacpp
    parameters = xllamacpp.CommonParams()
    parameters.verbosity = 0
    parameters.model.path, parameters.n_ctx, parameters.n_parallel, parameters.n_gpu_layers, parameters.warmup = path, 256, 1, 0, False
    server = xllamacpp.Server(parameters)
    answer = server.handle_completions({"prompt": ids, "n_predict": 1, "n_probs": vocabulary, "temperature": 0})
    found = torch.full((vocabulary,), float("nan"))
    for entry in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]: found[entry["id"]] = entry["logprob"]
    return found


if work == "make":
    torch.manual_seed(1)
    for kind, (model, words) in kinds.items():
        tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
        tokenizer.pre_tokenizer, tokenizer.decoder = words(), decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
        tokenizer.train_from_iterator([text], trainer)
        tokenizer.add_tokens(["<tool>"])
        if kind == "llama3":
            tokenizer.post_processor = processors.TemplateProcessing("<|end|> $A", "<|end|> $A <|end|> $B", [("<|end|>", 0)])
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", bos_token="<|end|>")
        fast.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
        fast.save_pretrained(f"{root}/{kind}")
        made = model().eval()
        # Norms and biases other than ones and zeros.
        for p in made.parameters(): p.data += 0.05 * torch.randn_like(p)
        made.save_pretrained(f"{root}/{kind}")
        ids = fast(text).input_ids[:60]
        save_file({"logits": logits(made, ids), "ids": torch.tensor(ids)}, f"{root}/{kind}/expected.safetensors")
else:
    for kind in kinds:
        first, back = AutoTokenizer.from_pretrained(f"{root}/{kind}"), AutoTokenizer.from_pretrained(f"{root}/{kind}/back")
        for case in texts:
            if first(case).input_ids != back(case).input_ids: sys.exit(f"{kind}: {case!r} has the ids {back(case).input_ids}, not {first(case).input_ids}")
            if back.decode(back(case).input_ids, skip_special_tokens=False) != first.decode(first(case).input_ids, skip_special_tokens=False):
                sys.exit(f"{kind}: {case!r} is decoded otherwise")
        if (back.eos_token, back.chat_template) != (first.eos_token, first.chat_template): sys.exit(f"{kind}: other settings of the tokenizer")
        expected = load_file(f"{root}/{kind}/expected.safetensors")
        ids = expected["ids"].tolist()
        model = AutoModelForCausalLM.from_pretrained(f"{root}/{kind}/back").eval()
        ours = logits(model, ids)
        close(ours, expected["logits"], 3e-3, f"{kind}: logits of what came back in half precision")
        close(ours, load_file(f"{root}/{kind}/ours.safetensors")["logits"], 1e-5, f"{kind}: logits of transformers and ours")
        try:
            import xllamacpp
        except ImportError:
            print("llama.cpp is left out: there is no xllamacpp")
            continue
        last = max(n for n in range(len(ids)) if ours[n].argmax() != 0)
        for file, limit, what in [(f"{kind}.gguf", 5e-3, "half precision"), (f"{kind}-8.gguf", 3e-2, "8 bits")]:
            found = llama(f"{root}/{file}", ids[:last + 1], 340)
            close(found, torch.log_softmax(ours[last], -1), limit, f"{kind}: log-probabilities of llama.cpp in {what}")
