// One model's side of the playground: what was said, and what it took. Whatever a model says is put in as text, never as HTML.

function clone(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

function addRow(list, label) {
  const row = document.createElement("div");
  row.append(document.createElement("dt"), document.createElement("dd"));
  row.firstChild.textContent = label;
  list.append(row);
  return row.lastChild;
}

/** A side of the form, as the server has made it. */
export class Talk {
  constructor(element) {
    this.element = element;
    this.turns = element.querySelector("[data-turns]");
    this.field = element.querySelector("input[type=hidden]");
  }

  /** Shows a message, and room for its answer; gives the answer. */
  begin(model, message) {
    this.element.querySelector("[data-name]").textContent = model;
    this.element.hidden = false;
    this.addTurn("user", message);
    this.answer = this.addTurn("assistant", "");
    this.said = this.answer.querySelector(".said");
    this.thoughts = null;
    this.scroll(true);
  }

  addTurn(role, text) {
    const turn = clone("turn");
    turn.className = `turn ${role}`;
    turn.querySelector("h3").textContent = role === "user" ? "You" : "Answer";
    turn.querySelector(".said").textContent = text;
    this.turns.append(turn);
    return turn;
  }

  /** A part of the answer. */
  add(part) {
    this.said.append(part);
    this.scroll(false);
  }

  /** A part of what the model thinks before it. */
  addThought(part) {
    if (!this.thoughts) {
      this.thoughts = clone("thoughts");
      this.said.before(this.thoughts);
    }
    this.thoughts.querySelector(".said").append(part);
    this.scroll(false);
  }

  /** Why there is no answer, or no whole one. `isRouteMissing`: a provider's credential would mend it. */
  addTrouble(text, isRouteMissing = false) {
    if (!this.said.hasChildNodes() && !this.thoughts) this.answer.remove();
    const trouble = clone("trouble");
    const mend = trouble.querySelector("[data-mend]");
    if (mend) mend.hidden = !isRouteMissing;
    trouble.querySelector("[data-text]").textContent = text;
    this.turns.append(trouble);
    this.scroll(true);
  }

  /** What the answer took, and the way to all that is known of it. */
  addFigures(figures, generation) {
    const list = document.createElement("dl");
    list.className = "figures";
    for (const [label, value] of figures) addRow(list, label).textContent = value;
    if (generation && figures.length) {
      const link = document.createElement("a");
      link.href = `/dashboard/activity/${encodeURIComponent(generation)}`;
      link.textContent = "details";
      addRow(list, "Request").append(link);
    }
    this.turns.append(list);
    this.scroll(false);
  }

  /** The answer ends here: nothing more is awaited. */
  end() {
    this.answer.classList.add("ended");
  }

  /** Puts what was said where the form has it: the next message goes on from there, with scripts or without. */
  keep(message, answer) {
    const said = JSON.parse(this.field.value || "[]");
    said.push({ role: "user", content: message }, { role: "assistant", content: answer });
    this.field.value = JSON.stringify(said);
  }

  /** Follows what comes, unless somebody reads further up. */
  scroll(isForced) {
    const { turns } = this;
    if (isForced || turns.scrollHeight - turns.scrollTop - turns.clientHeight < 120) turns.scrollTop = turns.scrollHeight;
  }
}
