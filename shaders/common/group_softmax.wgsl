// What the softmax of one group of a row of logits needs: the largest of CLASSES values from `first` on, and the sum of
// exp(value - largest). Wants a binding `logits` of floats. One thread: there are as many groups as rows times classifiers.

fn group_softmax(first: u32) -> vec2f {
    var most = logits[first];
    for (var c = 1u; c < CLASSES; c++) {
        most = max(most, logits[first + c]);
    }
    var sum = 0.0;
    for (var c = 0u; c < CLASSES; c++) {
        sum += exp(logits[first + c] - most);
    }
    return vec2f(most, sum);
}
