"""How a model sees a world: prompts, parsing, the dialogue so far, agents."""
