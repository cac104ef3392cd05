"""Write trainer_state.json with the class that Hugging Face's Trainer keeps its log in."""

from pathlib import Path

from transformers.trainer_callback import TrainerState

STEPS, EVALUATION = 500, 100


def loss(step):
    return round(2.0 * step**-0.3 + 0.5, 4)


state = TrainerState(max_steps=STEPS, logging_steps=10, eval_steps=EVALUATION, num_train_epochs=1)
for step in range(10, STEPS + 1, 10):
    state.global_step, state.epoch = step, step / STEPS
    shared = {"epoch": state.epoch, "step": step}
    log = {"loss": loss(step), "grad_norm": 1.25, "learning_rate": 5e-5 * (1 - step / STEPS)}
    state.log_history.append({**log, **shared})
    if step % EVALUATION == 0:
        speed = {"eval_runtime": 1.5, "eval_samples_per_second": 640.0, "eval_steps_per_second": 20.0}
        state.log_history.append({"eval_loss": loss(step) + 0.1, **speed, **shared})
total = {"train_runtime": 80.0, "train_samples_per_second": 100.0, "train_steps_per_second": 6.25}
state.log_history.append({**total, "total_flos": 1e12, "train_loss": 0.9, "epoch": 1.0, "step": STEPS})
state.save_to_json(str(Path(__file__).parent / "trainer_state.json"))
