namespace VmRepl.Clones.Made;

/// <summary>How far a made clone has come.</summary>
public enum MadeState
{
    /// <summary>It was asked for, and has no place in the order yet. What is found so at a start never was a clone, and is removed.</summary>
    Intent,

    /// <summary>It has its place; its files here or its groups at the replica are not whole yet.</summary>
    Copying,

    /// <summary>Its files are durable here, and the replica has all of it.</summary>
    Protected,

    /// <summary>It could not be copied here, for the reason given. The replica may have all of it.</summary>
    Failed,
}
