using System.Globalization;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A stretch in which every sequence, both ends included, is a recovery point.</summary>
/// <param name="FirstTimeUs">Microseconds since 1970 UTC, source clock.</param>
/// <param name="LastSequence">Not below the first.</param>
/// <param name="LastTimeUs">Microseconds since 1970 UTC, source clock.</param>
public sealed record PointRun(ulong FirstSequence, long FirstTimeUs, ulong LastSequence, long LastTimeUs)
{
    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(FirstSequence);
        writer.WriteInt64(FirstTimeUs);
        writer.WriteUInt64(LastSequence);
        writer.WriteInt64(LastTimeUs);
    }

    internal static PointRun Read(ref MessageFields fields)
    {
        var outer = fields.Enter("point run");
        var run = new PointRun(fields.UInt64("run first sequence"), fields.Int64("run first time"), fields.UInt64("run last sequence"), fields.Int64("run last time"));
        if (run.LastSequence < run.FirstSequence) throw fields.Wrong("run last sequence", $"{run.FirstSequence} or more", run.LastSequence.ToString(CultureInfo.InvariantCulture));
        fields.Leave(outer);
        return run;
    }
}
