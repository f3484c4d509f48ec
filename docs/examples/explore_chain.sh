#!/usr/bin/env bash
# The papers' chain in CoinRun, which needs no ROM: a world of random play, an agent that goes where that world is unsure,
# its play as data, the tokenizer's decoder and the dynamics fine-tuned on it, and both worlds on play of a third player.
#
#   bash docs/examples/explore_chain.sh FOLDER            hours on two CPU cores
#   SMALL=1 bash docs/examples/explore_chain.sh FOLDER    minutes: every step, and numbers that mean nothing
#
# Every line is done once: the same command goes on where it was stopped.
set -eu
mkdir -p "$1" && cd "$1"
run() { echo "+ genieredux $*"; genieredux "$@"; }

if [ -n "${SMALL:-}" ]; then
  play="config.connector.generator_config.n_sessions=12 config.connector.generator_config.n_steps_max=64"
  tokenizer_steps=20 dynamics_steps=10 more_tokenizer=10 more_dynamics=10
  measured="eval.num_clips=8 eval.metrics=[] eval.eval_control=false"
  explore="common.epochs=1 collection.train.config.num_steps=32 collection.train.config.num_envs=2 collection.test.num_steps=32
           collection.test.num_envs=1 training.actor_critic.steps_per_epoch=2 training.actor_critic.batch_size=2"
else
  play="config.connector.generator_config.n_sessions=400"
  tokenizer_steps=1500 dynamics_steps=3000 more_tokenizer=500 more_dynamics=1000
  measured="eval.num_clips=256"
  explore="common.epochs=24"
fi
data="config.connector.name=coinrun config.connector.kind=procgen config.connector.games=[coinrun] config.connector.image_size=64"
amount="train.save_model_every=$dynamics_steps train.validate_every=$dynamics_steps"

# 1. What everybody has: random play, and a test set of a player that takes no part in the rest (held actions).
run generate $data config.connector.dname=random config.connector.variant=random $play
run generate $data config.connector.dname=held config.connector.variant=held $play \
  config.connector.splits='[{name: test.held, start_level: 100000}]'

# 2. A tokenizer and a dynamics of it.
run genie_redux train config=quickstart/tokenizer train.dataset_name=coinrun_v0.0.0_random run_name=random \
  train.num_train_steps=$tokenizer_steps train.save_model_every=$tokenizer_steps train.validate_every=$tokenizer_steps
tokenizer=checkpoints/tokenizer/random/model-$tokenizer_steps.pt
run genie_redux train config=quickstart/dynamics train.dataset_name=coinrun_v0.0.0_random run_name=random \
  tokenizer_fpath=$tokenizer train.num_train_steps=$dynamics_steps $amount
world=checkpoints/genie_redux_guided/random/model-$dynamics_steps.pt

# 3. An agent that is rewarded for this world's doubt, the papers' way; and its play, as much as there was before.
again=$([ -d checkpoints/auto_explore/001_auto_explore ] && echo common.resume_id=1 || true)
run auto_explore train config=quickstart/coinrun world_model.model_fpath=$world reward.kind=entropy $explore $again
agent=checkpoints/auto_explore/001_auto_explore/checkpoints/model_best_reward.pt
run generate config=coinrun/auto_explore config.connector.agent.checkpoint_fpath=$agent $play \
  config.connector.splits='[{name: train, start_level: 0}]'

# 4. The decoder alone, so that tokens keep their meaning; then the dynamics.
run genie_redux train config=quickstart/tokenizer run_name=tokenizer_ft tokenizer_fpath=$tokenizer train.trainable=decoder \
  train.dataset_name=coinrun_v0.0.0_auto_explore train.num_train_steps=$more_tokenizer \
  train.save_model_every=$more_tokenizer train.validate_every=$more_tokenizer
run genie_redux train config=quickstart/dynamics run_name=genie_redux_guided_ft model_fpath=$world \
  tokenizer_fpath=checkpoints/tokenizer/tokenizer_ft/model-$more_tokenizer.pt \
  train.dataset_name=coinrun_v0.0.0_auto_explore train.num_train_steps=$more_dynamics \
  train.save_model_every=$more_dynamics train.validate_every=$more_dynamics

# 5. Before and after, on the third player's test set; each leaves a page (outputs/evaluation).
for made in $world checkpoints/genie_redux_guided/genie_redux_guided_ft/model-$more_dynamics.pt; do
  run genie_redux eval eval.model_fpath=$made train.dataset_name=coinrun_v0.0.0_held $measured
done
