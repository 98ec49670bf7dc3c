using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>How a test failover went. Times in ms are since it was started.</summary>
/// <param name="Sequence">The point that was booted.</param>
/// <param name="StartedUs">Microseconds since 1970 UTC, clock of the host that ran it.</param>
/// <param name="Check">What had to come true.</param>
/// <param name="Reason">Why it did not; empty where it passed.</param>
/// <param name="UpMs">When the guest's processors began to run; null if they never did.</param>
/// <param name="CheckedMs">When the check passed; null if it did not.</param>
/// <param name="EndedMs">When the hypervisor was gone.</param>
/// <param name="By">Hypervisor, its version and accelerator.</param>
/// <param name="Host">Name of the host that ran it.</param>
public sealed record FailoverTest(ulong Sequence, long StartedUs, bool HasPassed, string Check, string Reason, long? UpMs, long? CheckedMs, long EndedMs, string By, string Host)
{
    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(10);
        writer.WriteUInt64(Sequence);
        writer.WriteInt64(StartedUs);
        writer.WriteBoolean(HasPassed);
        writer.WriteString(Check);
        writer.WriteString(Reason);
        writer.WriteOptionalInt64(UpMs);
        writer.WriteOptionalInt64(CheckedMs);
        writer.WriteInt64(EndedMs);
        writer.WriteString(By);
        writer.WriteString(Host);
    }

    internal static FailoverTest Read(ref MessageFields fields)
    {
        var outer = fields.Enter("failover test");
        var test = new FailoverTest(
            fields.UInt64("test sequence"), fields.Int64("test start"), fields.Boolean("test passed"), fields.Text("test check"), fields.Text("test reason"),
            fields.OptionalSize("test up"), fields.OptionalSize("test checked"), fields.Size("test ended"), fields.Text("test by"), fields.Text("test host"));
        fields.Leave(outer);
        return test;
    }
}
