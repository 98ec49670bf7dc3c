using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Source;

/// <summary>Questions that the replica has not answered; they are asked again on each new connection. Used under the link's lock.</summary>
internal sealed class LinkQuestions
{
    private readonly Dictionary<ulong, Question> open = [];
    private ulong last;

    public bool IsEmpty => open.Count == 0;

    /// <summary>As they were asked.</summary>
    public IMessage[] Messages => [.. open.Values.Select(q => q.Message)];

    /// <param name="build">Makes the message, given its number.</param>
    public Question Add(Func<ulong, IMessage> build)
    {
        var question = new Question(build(++last));
        open.Add(last, question);
        return question;
    }

    /// <summary>False where nobody waits for this answer.</summary>
    public bool TryAnswer(ulong id, IMessage answer)
    {
        if (!open.Remove(id, out var question)) return false;
        question.Answer.TrySetResult(answer);
        return true;
    }

    /// <summary>No answer will come.</summary>
    public void Fail(Func<Exception> reason)
    {
        foreach (var question in open.Values) question.Answer.TrySetException(reason());
        open.Clear();
    }

    /// <summary>One of them, and the answer that is waited for.</summary>
    internal sealed class Question(IMessage message)
    {
        public IMessage Message { get; } = message;

        public TaskCompletionSource<IMessage> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
