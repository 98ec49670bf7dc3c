using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A group's last scrub that went to its end, and between which points it can be had now. The counts are 0 where there was none.</summary>
/// <param name="FinishedUs">When it ended, microseconds since 1970 UTC by the replica's clock; null where there was none.</param>
/// <param name="RegionsVerified">Regions of live images that were compared with a digest.</param>
/// <param name="RegionsTotal">Regions of live images that there were.</param>
/// <param name="DamageCount">How much damage it found.</param>
/// <param name="NowUs">The replica's clock now, so that an age can be told whatever the clocks.</param>
public sealed record ScrubState(long? FinishedUs, long RegionsVerified, long RegionsTotal, long DamageCount, long NowUs) : IMessage
{
    public MessageType Type => MessageType.ScrubState;

    /// <summary>Time of the oldest recovery point, microseconds since 1970 UTC by the source's clock; 0 where there is none, or it is not said.</summary>
    public long OldestPointUs { get; init; }

    /// <summary>The newest recovery point; 0 likewise.</summary>
    public ulong NewestPoint { get; init; }

    /// <summary>Its time.</summary>
    public long NewestPointUs { get; init; }

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 8);
        if (FinishedUs is { } finished) writer.WriteInt64(finished);
        else writer.WriteNil();
        writer.WriteInt64(RegionsVerified);
        writer.WriteInt64(RegionsTotal);
        writer.WriteInt64(DamageCount);
        writer.WriteInt64(NowUs);
        writer.WriteInt64(OldestPointUs);
        writer.WriteUInt64(NewestPoint);
        writer.WriteInt64(NewestPointUs);
    }

    internal static ScrubState Read(ref MessageFields fields) => new(
        fields.OptionalSize("scrub finished"), fields.Size("scrub regions verified"), fields.Size("scrub regions"), fields.Size("scrub damage"), fields.Size("scrub now"))
    {
        // A replica of an earlier release ends here.
        OldestPointUs = fields.HasMore ? fields.Size("scrub oldest point") : 0,
        NewestPoint = fields.HasMore ? fields.UInt64("scrub newest point") : 0,
        NewestPointUs = fields.HasMore ? fields.Size("scrub newest point time") : 0,
    };
}
