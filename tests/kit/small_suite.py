"""A suite of every section, to be changed by tests of how suites are read."""

SUITE = """\
suite: small
paper: {title: A paper, arxiv: "1512.03385"}
task: classification
arms:
  plain20: {model: cifar_resnet, depth: 20, residual: false}
  resnet20: {model: cifar_resnet, depth: 20, recipe: {optimizer: {lr: 0.2}}}
profiles:
  cpu:
    data: {name: fashion-mnist-small, size: 14}
    model: {width: 8}
    recipe:
      steps: 10
      batch_size: 32
      optimizer: {name: sgd, lr: 0.1, momentum: 0.9}
      schedule: cosine
      augment: [flip]
  gpu:
    device: cuda
    data: {name: cifar10}
    recipe: {steps: 20, batch_size: 128, optimizer: {name: sgd, lr: 0.1}, evaluate: {every: 5}}
claims:
  worse:
    says: The plain net is worse.
    expect: train_error(plain20) > train_error(resnet20)
    at:
      gpu: {verdict: undecided, because: it is not known}
    ledger: [A1]
"""
