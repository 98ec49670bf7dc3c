using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Test failovers of a group, oldest first.</summary>
public sealed record TestList(string Group, FailoverTest[] Tests) : IMessage
{
    public MessageType Type => MessageType.TestList;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteString(Group);
        writer.WriteArrayHeader(Tests.Length);
        foreach (var test in Tests) test.WriteTo(writer);
    }

    internal static TestList Read(ref MessageFields fields)
    {
        var group = fields.Name("test list group");
        var outer = fields.Enter("tests", MessageLimits.MaxTests, out var count);
        var tests = new FailoverTest[count];
        for (var i = 0; i < count; i++) tests[i] = FailoverTest.Read(ref fields);
        fields.Leave(outer);
        return new TestList(group, tests);
    }
}
